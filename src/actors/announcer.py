"""The announcer: tells listeners what they are to hear, on a lane of its own."""

from __future__ import annotations

from typing import ClassVar

from actors.messages import Heard
from actors.runtime import RuntimeActor


class AnnouncerActor(RuntimeActor):
    """Lets listeners hear. It begins with the first one."""

    lane: ClassVar[str] = "listeners"

    def on_receive(self, message: object) -> None:
        """Handle one message."""
        if isinstance(message, Heard):
            message.hearing.deliver()

    def reject(self, message: object) -> None:
        """Do again what was broken off: what waits is still there."""
        if isinstance(message, Heard):
            self.actor_ref.tell(message)

    def die(self, error: BaseException) -> None:
        """Live on: there is nothing here that could be spoiled."""
        self.runtime.report(self, error)
