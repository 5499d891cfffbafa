"""What a step has streamed, put together from the frames of a subscription."""

from collections.abc import Callable

from perdure.temporal.live.frames import StepDelta, StepProgress
from perdure.temporal.live.protocols import Subscription


def follow_step(progress: StepProgress | None, frame: StepDelta | StepProgress) -> StepProgress:
    """What the step has streamed after this frame, for who has `progress` of it. May change `progress`."""
    if isinstance(frame, StepProgress):
        return frame.copy()
    if progress is None or (progress.step_id, progress.attempt) != (frame.step_id, frame.attempt):
        progress = StepProgress(frame.step_id, frame.attempt)
    progress.add(frame)
    return progress


async def until_streamed(frames: Subscription, wanted: Callable[[StepProgress], bool]) -> None:
    """Returns once a step has streamed what is `wanted`."""
    progress: StepProgress | None = None
    while True:
        frame = await frames.get()
        if isinstance(frame, StepDelta | StepProgress):
            progress = follow_step(progress, frame)
            if wanted(progress):
                return
