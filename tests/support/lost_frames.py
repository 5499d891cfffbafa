"""Live frames that are lost before they come to the gateway, for tests of projections."""

from perdure.gateway.live.items import Frame
from perdure.gateway.live.step import LiveStep
from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.streamed import follow_step
from perdure.workflows.vocabulary.events import Event, StepFinished, StepStarted


def seen(items: list[Event | Frame], drops: set[int]) -> list[Event | Frame]:
    """What a viewer is sent, where the frames at these places are lost before the gateway."""
    asked: list[int] = []
    live = LiveStep(None, False, lambda: asked.append(1))
    sent: list[Event | Frame] = []
    streamed: StepProgress | None = None
    for place, item in enumerate(items):
        if isinstance(item, StepDelta | StepProgress):
            streamed = follow_step(streamed, item)
            if place not in drops:
                sent += live.take(item)
            if asked:
                asked.clear()
                sent += live.take(streamed.copy())
            continue
        sent.append(item)
        if isinstance(item, StepStarted):
            sent += live.started(item.step_id)
        elif isinstance(item, StepFinished):
            live.finished()
    return sent
