"""Bugs to plant in what makes a life rich: pauses, clocks, redrives, nests, crashes of workers, late endings."""

from __future__ import annotations

from typing import Final

from tests.simulation.planted import Bug, bug

LIVES: Final[dict[str, Bug]] = {
    "paused-starts": bug(
        "a paused parent starts children",
        "events.decide_attempts",
        "        or state.paused\n",
        "",
        "events.frontier",
        "    if state.halting or state.paused:\n        return\n",
        "    if state.halting:\n        return\n",
        "events.frontier",
        "    if state.paused or state.halting:\n",
        "    if state.halting:\n",
    ),
    "resumed-stays-paused": bug(
        "a parent that was resumed starts nothing",
        "events.evolve",
        "state.resumed_at = False, fact.at",
        "state.resumed_at = True, fact.at",
    ),
    "queue-clock-never-rings": bug(
        "who waits too long for a worker waits on",
        "actors.expiries",
        "queue is not None and not state.paused",
        "queue is None and not state.paused",
    ),
    "queue-clock-lost-on-restart": bug(
        "waits in the queue are forgotten by a restart",
        "actors.effects",
        "        self.expiries.begin(state)\n",
        "",
    ),
    "whole-time-forgotten": bug(
        "a child may take as long as it likes over all its attempts",
        "events.decide_attempts",
        "return total is not None and child.first_at > 0 and",
        "return total is None and child.first_at > 0 and",
    ),
    "budget-forgotten": bug(
        "a parent's children have as many retries as they like",
        "events.decide_attempts",
        "state.retries >= state.retry_budget",
        "state.retries > state.retry_budget",
    ),
    "retry-on-forgotten": bug(
        "what is of no type to be tried again is tried again",
        "events.decide_attempts",
        "limits.retry_on is not None and not kinds & set(limits.retry_on)",
        "limits.retry_on is None and not kinds & set(limits.retry_on or ())",
    ),
    "jitter-lengthens": bug(
        "jitter makes a wait longer than its limits say",
        "events.backoff",
        "(1.0 - (limits.jitter or 0.0) * draw)",
        "(1.0 + (limits.jitter or 0.0) * draw)",
    ),
    "crashes-forgotten": bug(
        "a child that kills its worker runs again for ever",
        "events.evolve",
        "crashes=child.crashes + fact.crash",
        "crashes=child.crashes",
    ),
    "cancelled-child-runs-again": bug(
        "a child that was cancelled, and lost, runs again",
        "events.decide_attempts",
        "    if child_id in state.asked_to_stop:\n        error",
        "    if not child_id:\n        error",
    ),
    "redrive-repeats-successes": bug(
        "what has succeeded is redriven",
        "events.decide_parent",
        'return outcome != "succeeded" and (command.outcomes is None or outcome in command.outcomes)',
        "return command.outcomes is None or outcome in command.outcomes",
    ),
    "redrive-before-the-end": bug(
        "a parent is redriven while children of it are open",
        "events.decide_parent",
        "    if not state.settled:\n"
        '        raise StepOrderError(f"the run is not settled ({state.status}): it can be redriven',
        "    if state.decision is None:\n"
        '        raise StepOrderError(f"the run is not settled ({state.status}): it can be redriven',
    ),
    "redriven-never-due": bug(
        "redriven children wait for ever",
        "actors.effects",
        "            elif isinstance(fact, ChildRedriven):\n                self.retries.wait(fact.child_id, 0)\n",
        "",
    ),
    "redrive-keeps-failures": bug(
        "a redriven child still has the failures of its life before",
        "events.evolve",
        'ChildState(child.place, "waiting", child.prepared, child.attempts, again=child.again + 1)',
        'ChildState(child.place, "waiting", child.prepared, child.attempts, child.failures, again=child.again + 1)',
    ),
    "changed-cap-ignored": bug(
        "a change of max_workers is on record and changes nothing",
        "events.evolve",
        "        state.max_workers = fact.max_workers\n",
        "        pass\n",
    ),
    "old-deadline-holds": bug(
        "after a redrive the deadline is still counted from the creation",
        "events.evolve",
        "    state.deadline_from = fact.at\n    state.decision = None",
        "    state.decision = None",
    ),
    "nested-lost-with-its-owner": bug(
        "a nested parent counts as interrupted when its parent's owner goes",
        "events.decide_parent",
        "        if running.worker == NESTED_WORKER:\n            continue\n",
        "",
    ),
    "nested-takes-a-slot": bug(
        "a nested parent takes a slot of the pool",
        "events.frontier",
        "    running = state.leaves_running\n",
        "    running = state.running_count\n",
    ),
    "large-output-lost": bug(
        "an output that lies in a file is not on record",
        "events.decide_attempts",
        "output_file=command.output_file,\n            error_file=command.error_file,\n        )\n    )\n    draft.",
        "error_file=command.error_file,\n        )\n    )\n    draft.",
    ),
    "nested-end-told-once": bug(
        "that a nested parent has ended is told once, and never again",
        "actors.effects",
        "            if again:\n                self._endings.tell_again()\n",
        "",
        world="nests",
    ),
    "nested-cancel-stays-here": bug(
        "a nested parent is not told that it is cancelled",
        "actors.effects",
        "                self._surroundings.nested.cancel(fresh, reason=reason)\n",
        "                self._surroundings.nested.cancel((), reason=reason)\n",
    ),
    "progress-of-the-dead": bug(
        "attempts that have ended say how far they are",
        "events.decide_attempts",
        '    if child is None or child.phase != "running" or child.attempts != command.attempt:\n        return\n'
        "    draft.emit(\n        ChildProgressed(",
        "    if child is None:\n        return\n    draft.emit(\n        ChildProgressed(",
    ),
    "late-ending-ends-again": bug(
        "a late ending gives its child a second outcome",
        "actors.endings",
        "(RecordLateEnding if ending.late else FinishAttempt)",
        "FinishAttempt",
        "events.decide_attempts",
        'or child.phase != "running" or child.attempts != command.attempt:\n        return\n    if command.outcome in',
        "or not child.attempts:\n        return\n    if command.outcome in",
    ),
}
