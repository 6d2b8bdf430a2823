"""The recorder of a sealed PostgreSQL store: it writes nothing without a seal, and trusts no head that has none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from psycopg.pq.abc import PGresult

from events.errors import AuditKeyError, StoreDamagedError
from events.limits import BUSY_TIMEOUT_SECONDS
from events.log import postgres_seals, sqlite_seals
from events.log.audit_key import AuditKey
from events.log.postgres import PostgresRecorder, checked_id
from events.log.postgres_address import Address
from events.log.postgres_append import Append
from events.log.postgres_connection import Connection
from events.log.postgres_exchange import Call, exchange, prepare
from events.log.record import Batch, Conflict, Head, Row, Verdict, Written
from events.log.seals import Places, RunSeal, StoreSeal
from events.log.sqlite_sealed import UNSEALED


class SealedAppend(Append):
    """What one transaction writes to a sealed store. See `Append`.

    A run whose seal does not fit its head is left as it is, so that nobody's events are sealed but our own: its
    batches are conflicts, and whoever reads it then learns of the damage.
    """

    def __init__(self, connection: Connection, address: Address, key: AuditKey, *, distrustful: bool) -> None:
        super().__init__(connection, address, distrustful=distrustful)
        self._key = key
        self._known: tuple[StoreSeal | None, dict[str, RunSeal]] = (None, {})
        """The seals as they are on record."""
        self._seals: list[tuple[int, RunSeal]] = []
        """Those to be written, each with its run's key in the tables."""
        self._whole: StoreSeal | None = None

    def begin(self, names: Sequence[str]) -> None:
        """Begin; read the heads of parents and, in the same exchange, the seals."""
        with postgres_seals.removal_told(self._address.location):
            super().begin(names)

    def _further(self, names: Sequence[str]) -> list[Call]:
        return postgres_seals.asked(names)

    def _hear(self, answers: Sequence[PGresult]) -> None:
        self._known = postgres_seals.told(answers)

    def judge(self, batches: Sequence[Batch]) -> list[Verdict]:
        """Take the batches that fit, and return what becomes of each once this is committed.

        Raises:
            AuditKeyError: the store was sealed with another key meanwhile.
            StoreDamagedError: the seal of the store does not fit.
        """
        whole = postgres_seals.checked(self._known[0], self._key, self._address.location)
        names, seals = {batch.parent_id for batch in batches}, self._known[1]
        before = {name: known for name, known in self._streams.items() if name in names}
        altered = {
            name
            for name, known in before.items()
            if name not in seals or not seals[name].fits(self._key, whole.store, name, known.head)
        }
        verdicts: list[Verdict] = [
            Conflict(before[batch.parent_id].head) if batch.parent_id in altered else self._take(batch)
            for batch in batches
        ]
        places = {name: seals[name].places for name in before if name not in altered}
        self._seal(whole, {name: known.head.count for name, known in before.items()}, places, batches, verdicts)
        return verdicts

    def _seal(
        self,
        whole: StoreSeal,
        counts: dict[str, int],
        places: dict[str, Places],
        batches: Sequence[Batch],
        verdicts: Sequence[Verdict],
    ) -> None:
        """Seal the runs that were written to, and the store."""
        heads: dict[str, Head] = {}
        for batch, verdict in zip(batches, verdicts, strict=True):
            if isinstance(verdict, Written):
                name = batch.parent_id
                before = places.get(name, Places())
                places[name] = before.followed_by(verdict.positions[0], verdict.positions[-1])
                heads[name] = verdict.head
        events = sum(head.count - counts.get(name, 0) for name, head in heads.items())
        self._seals = [
            (self._streams[name].key, RunSeal.of(self._key, whole.store, name, head, places[name]))
            for name, head in heads.items()
        ]
        runs = whole.runs + len(heads.keys() - counts.keys())
        self._whole = StoreSeal.of(self._key, whole.store, runs, whole.events + events, self.last_position)

    def _changes(self) -> Iterator[Call]:
        yield from super()._changes()
        if self._whole is not None:
            yield from postgres_seals.kept(self._seals, self._whole)


class SealedPostgresRecorder(PostgresRecorder):
    """Events in a schema of a PostgreSQL database, with seals. See `PostgresRecorder`, and `events.log.seals`.

    An empty store is sealed from its beginning. With `seal_anew` the hashes of one that has events are checked, and
    it is sealed as it is, whatever sealed it before; nobody else can write to it meanwhile.

    Raises:
        AuditKeyError: the store has events and no seals, or is sealed with another key.
        StoreDamagedError: it is not to be sealed, for it is damaged.
    """

    def __init__(
        self,
        url: str,
        key: AuditKey,
        *,
        busy_timeout_seconds: float = BUSY_TIMEOUT_SECONDS,
        must_exist: bool = False,
        seal_anew: bool = False,
    ) -> None:
        self._key = key
        super().__init__(url, busy_timeout_seconds=busy_timeout_seconds, must_exist=must_exist)
        with ExitStack() as unless_sealed:
            unless_sealed.callback(self.close)
            self._make_sure(seal_anew=seal_anew)
            unless_sealed.pop_all()

    def _make_sure(self, *, seal_anew: bool) -> None:
        if seal_anew:
            for place in self.flaws():
                raise StoreDamagedError.at(self.location, place)
        elif self.is_sealed():
            self._patiently(lambda connection: postgres_seals.store_seal(connection, self._key, self.location))
            return

        def work(connection: Connection) -> None:
            empty = postgres_seals.is_empty(connection)
            if (empty or not seal_anew) and postgres_seals.are_kept(connection):
                postgres_seals.store_seal(connection, self._key, self.location)  # somebody else was faster
            elif empty or seal_anew:
                self._seal_all(connection)
            else:
                raise AuditKeyError(f"{self.location}: {UNSEALED}")

        self._undertake(work)

    def _seal_all(self, connection: Connection) -> None:
        """Check the hashes of every run, and seal the store as it is. The caller holds the transaction."""
        whole = postgres_seals.begin(connection, self._key)
        prepare(connection, postgres_seals.STATEMENTS)
        exchange(connection, postgres_seals.kept([], whole))
        for seals, upto in postgres_seals.all_seals(connection, self._key, whole.store, self.location):
            exchange(connection, postgres_seals.kept(seals, upto))

    def _append_on(self, connection: Connection, *, distrustful: bool) -> Append:
        if self._greeted is not connection:
            with postgres_seals.removal_told(self.location):
                prepare(connection, postgres_seals.STATEMENTS)
            self._greeted = connection
        return SealedAppend(connection, self.address, self._key, distrustful=distrustful)

    def _fill(self, connection: Connection, rows: Iterator[Row]) -> None:
        super()._fill(connection, rows)
        self._seal_all(connection)

    def _may_fill(self, connection: Connection) -> None:
        """Fill a store, sealed or not: it is sealed with what is filled in."""

    def head(self, parent_id: str) -> Head | None:
        """Return the head of a parent's stream; None where there is no such parent.

        Raises:
            StoreDamagedError: it is not what was sealed.
        """
        found = self._read(postgres_seals.SEALED_HEAD, (checked_id(parent_id),))
        if not found:
            return None
        [(count, version, digest, *values, store)] = found
        head, seal = Head(count, version, digest), sqlite_seals.seal_of(values)
        if seal is None or store is None or not seal.fits(self._key, store, parent_id, head):
            raise sqlite_seals.altered(parent_id, self.location)
        return head
