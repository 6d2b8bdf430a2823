"""Packed and encrypted texts in stored rows: round trips, every bit flipped, rows moved, and bombs."""

from __future__ import annotations

import json
import tracemalloc
import zlib
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.catalogue import DEFAULT_CATALOGUE, Catalogue
from events.errors import KeyNotFoundError, StoreDamagedError, UsageError
from events.facts import ChildFinished, ChildPrepared, Fact
from events.log import Conflict, EventLog, FactBatch, MemoryRecorder, Written, open_log
from events.log.cipher import Cipher, place
from events.log.keyring import Keyring, WrappedKey, read_keyring
from events.log.keys import KeyStore
from events.log.private import PrivateCatalogue
from events.log.vault import Vault
from events.text_forms import PACKED, TEXTS, EncryptedText
from tests.events.generated import any_facts
from tests.privacy.stores import KEY, KEYS, OTHER

FACT = ChildFinished(at=1, child_id="a", attempt=1, outcome="succeeded", output='"some text"')


def log_with(keys: dict[str, bytes] | None = None, packed_bytes_min: int | None = None) -> EventLog:
    keyring = None if keys is None else Keyring(keys)
    return EventLog(MemoryRecorder(), keyring=keyring, packed_bytes_min=packed_bytes_min)


@pytest.fixture(scope="module")
def catalogue() -> PrivateCatalogue:
    """Return the catalogue of a log in which the parent `p` is encrypted."""
    log = log_with(KEYS, 16)
    log.append([FactBatch("p", 0, [ChildPrepared(at=1, child_id="a", index=0, task="t", input="1")])])
    return log.catalogue


def key_of(catalogue: PrivateCatalogue) -> Cipher:
    found = catalogue._vault.for_writing("p")
    assert found is not None
    return found


@settings(deadline=None)
@given(any_facts(), st.integers(1, 2**40))
def test_a_fact_is_what_it_was(catalogue: PrivateCatalogue, fact: Fact, version: int) -> None:
    name, data = catalogue.encode_at("p", version, fact, key_of(catalogue))
    assert catalogue.decode_at("p", version, name, data) == fact
    texts = [getattr(fact, each) for each in TEXTS.get(name, ()) if getattr(fact, each) is not None]
    assert data.startswith(b'{"encrypted":') == bool(texts)
    packed = log_with(packed_bytes_min=0).catalogue
    name, data = packed.encode_at("p", version, fact, None)
    assert DEFAULT_CATALOGUE.decode(name, data) == fact


@settings(deadline=None)
@given(any_facts())
def test_without_options_the_bytes_are_what_they_were(fact: Fact) -> None:
    recorder = MemoryRecorder()
    EventLog(recorder).append([FactBatch("p", 0, [fact])])
    (row,) = recorder.stream("p")
    assert (row.type, row.data) == DEFAULT_CATALOGUE.encode(fact)


def test_every_bit_that_is_flipped_is_found(catalogue: PrivateCatalogue) -> None:
    name, data = catalogue.encode_at("p", 7, FACT, key_of(catalogue))
    fields = json.loads(data)
    text = b64decode(fields["encrypted"]["output"])
    for bit in range(8 * len(text)):
        harmed = bytearray(text)
        harmed[bit // 8] ^= 1 << bit % 8
        fields["encrypted"]["output"] = b64encode(harmed).decode()
        with pytest.raises(StoreDamagedError, match="altered"):
            catalogue.decode_at("p", 7, name, json.dumps(fields, separators=(",", ":")).encode())


def test_a_text_is_good_at_its_own_place_alone(catalogue: PrivateCatalogue) -> None:
    name, data = catalogue.encode_at("p", 7, FACT, key_of(catalogue))
    assert catalogue.decode_at("p", 7, name, data) == FACT
    with pytest.raises(StoreDamagedError, match="moved"):
        catalogue.decode_at("p", 8, name, data)
    with pytest.raises(StoreDamagedError, match="moved"):
        catalogue.decode_at("p", 7, "AttemptEndedLate", data)
    with pytest.raises(StoreDamagedError, match="moved"):
        catalogue.decode_at("p", 7, name, data.replace(b'{"output"', b'{"error"'))
    elsewhere = catalogue.decode_at("q", 7, name, data)  # of which no key is kept
    assert isinstance(elsewhere, ChildFinished)
    assert isinstance(elsewhere.output, EncryptedText)


NONSENSE = (
    b'{"encrypted":{"output":"AAAA"},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"encrypted":{"output":"no base64!"},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"encrypted":{"output":7},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"encrypted":{},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"encrypted":[],"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"encrypted":{"child_id":"AAAA"},"at":1,"attempt":1,"outcome":"succeeded"}',
    b'{"encrypted":{"output":"AAAA"},"output":"1","at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"at":1,"encrypted":{"output":"AAAA"},"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"encrypted":',
    b'{"packed":{"output":"AAAA"},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"packed":null,"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}',
    b'{"packed":{"output":"%b"},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}'
    % b64encode(zlib.compress(b"1") + b"more"),
    b'{"packed":{"output":"%b"},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}'
    % b64encode(zlib.compress(b"12345")[:-5]),
    b'{"packed":{"output":"%b"},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}'
    % b64encode(zlib.compress(b"\xff\xfe")),
)


@pytest.mark.parametrize("data", NONSENSE)
def test_nonsense_is_damage(catalogue: PrivateCatalogue, data: bytes) -> None:
    with pytest.raises(StoreDamagedError):
        catalogue.decode_at("p", 7, "ChildFinished", data)


@settings(max_examples=300, deadline=None)
@given(st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.dictionaries(st.text(), inner)))
def test_any_json_in_their_place_is_damage_and_nothing_else(catalogue: PrivateCatalogue, value: Any) -> None:
    for mark in ("encrypted", "packed"):
        data = json.dumps({mark: value, "at": 1}, separators=(",", ":")).encode()
        for name in ("ChildFinished", "ParentSettled", "ChildPrepared"):
            with pytest.raises(StoreDamagedError):
                catalogue.decode_at("p", 1, name, data)


@pytest.mark.parametrize("encrypted", [False, True])
def test_a_bomb_takes_no_more_than_the_limit(catalogue: PrivateCatalogue, encrypted: bool) -> None:
    """A row of some 280 KiB that holds 280 MiB."""
    small = PrivateCatalogue(Catalogue(unpacked_bytes_max=1_000_000), catalogue._vault, None)
    bomb = zlib.compress(b" " * (280 * 1024 * 1024), 9)
    assert len(bomb) < 300 * 1024
    text = bomb
    if encrypted:
        text = key_of(catalogue).encrypt(b"\x01" + bomb, place("text", "p", 7, "ChildFinished", "output"))
    mark = b'{"encrypted":' if encrypted else PACKED
    data = mark + b'{"output":"%b"},"at":1,"child_id":"a","attempt":1,"outcome":"succeeded"}' % b64encode(text)
    tracemalloc.start()
    try:
        with pytest.raises(StoreDamagedError, match="limit unpacked_bytes_max of 1,000,000"):
            small.decode_at("p", 7, "ChildFinished", data)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_what_was_packed_is_read_whether_packing_is_on_or_off(tmp_path: Path) -> None:
    text = json.dumps("word " * 10_000)
    fact = ChildPrepared(at=1, child_id="a", index=0, task="t", input=text)
    with open_log(tmp_path / "s.db", packed_bytes_min=1_000) as log:
        log.append([FactBatch("p", 0, [fact])])
        ref = log.payloads_of("p").put(text)
        (row,) = log.recorder.stream("p")
        assert len(row.data) < 2_000
    with open_log(tmp_path / "s.db") as log:
        assert [record.fact for record in log.read("p")] == [fact]
        assert log.payloads_of("p").get(ref) == text
        assert log.payloads_of("p").put(text) == ref, "it is there already"
    (file,) = [each for each in tmp_path.rglob("*") if each.is_file() and each.suffix == ".z"]
    assert file.stat().st_size < 2_000
    file.write_bytes(zlib.compress(b" " * 100_000_000))
    with open_log(tmp_path / "s.db") as log, pytest.raises(StoreDamagedError, match="not what was written"):
        log.payloads_of("p").get(ref)


# Keys


def test_a_data_key_is_good_for_its_own_parent_alone() -> None:
    ring = Keyring(KEYS)
    wrapped = ring.fresh("p")
    assert len(ring.unwrap(wrapped) or b"") == 32
    assert ring.unwrap(wrapped._replace(parent_id="q")) is None
    assert Keyring({"first": OTHER}).unwrap(wrapped) is None
    assert ring.unwrap(WrappedKey("p", "first", wrapped.wrapped[:-1])) is None
    assert wrapped.zeroed().destroyed
    assert not wrapped.destroyed


def test_the_key_of_a_parent_that_is_there_is_never_replaced() -> None:
    log = log_with(KEYS)
    log.append([FactBatch("p", 0, [FACT])])
    before = log.recorder.key_of("p")
    other = EventLog(log.recorder, keyring=Keyring({"second": OTHER}))
    with pytest.raises(KeyNotFoundError, match="encrypted with the key 'first'"):
        other.append([FactBatch("p", 0, [FACT])])
    verdicts = other.append([FactBatch("p", 0, [FACT]), FactBatch("q", 0, [FACT])])
    assert [type(verdict) for verdict in verdicts] == [Conflict, Written], "the others are written"
    assert log.recorder.key_of("p") == before


KEY_FILES = {
    "raw": KEY,
    "base64": b64encode(KEY) + b"\n",
    "hex": KEY.hex().encode(),
    "with an id": b"# rotated in spring\n\n 2026-spring  " + b64encode(KEY) + b"\n",
}


@pytest.mark.parametrize("kind", KEY_FILES)
def test_a_key_file_holds_a_key(kind: str, tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(KEY_FILES[kind])
    ring = read_keyring(tmp_path / "k")
    assert ring.ids == (("2026-spring",) if kind == "with an id" else ring.ids)
    opened = Keyring({ring.first: KEY}).unwrap(ring.fresh("p"))
    assert opened is not None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no key"),
        (b"# nothing\n", "holds no key"),
        (b"short\n", "line 1: expected 32 bytes"),
        (b"a b c\n", "line 1"),
        (b"x" * 70_000, "no key file"),
        (b"a " + b64encode(KEY) + b"\na " + b64encode(OTHER), "second key of the id 'a'"),
        (b"-bad " + b64encode(KEY), "a key's id is"),
        (bytes(33), "line 1"),
    ],
)
def test_what_is_no_key_file_is_refused_and_not_shown(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(UsageError, match=reason) as caught:
        read_keyring(tmp_path / "k")
    assert b64encode(KEY).decode() not in str(caught.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read_keyring(tmp_path / "not-there")


@pytest.mark.parametrize("keys", [{}, {"": KEY}, {"a b": KEY}, {"a": b"short"}, {"a": "x" * 32}, {1: KEY}, [KEY]])
def test_what_is_no_keyring_is_refused(keys: Any) -> None:
    with pytest.raises(UsageError):
        Keyring(keys)


def test_a_vault_remembers_only_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("events.log.vault._REMEMBERED_MAX", 3)
    log = log_with(KEYS)
    for number in range(9):
        log.append([FactBatch(f"p{number}", 0, [FACT])])
    assert len(log.vault._known) <= 3
    assert [record.fact for record in log.read("p0")] == [FACT]


def test_a_store_that_keeps_no_keys_says_so() -> None:
    class Elsewhere(MemoryRecorder):
        add_keys, key_of = KeyStore.add_keys, KeyStore.key_of

    vault = Vault(Elsewhere(), Keyring(KEYS))
    with pytest.raises(UsageError, match="keeps no keys"):
        vault.prepare(["p"])
