"""The pages of a gateway that asks who calls: signing in, and what is not offered to whom."""

from playwright.async_api import expect

from tests.screens.states import Scene, says, state
from tests.support.signed_in import sign_in


async def _enter(scene: Scene, path: str, key: str) -> None:
    await scene.goto(path, await scene.world.guarded)
    await sign_in(scene.page, key)
    await scene.see("#signed-in", "ann")


@state("signed-out", apart=True)
async def signed_out(scene: Scene) -> None:
    await scene.goto("/", await scene.world.guarded)
    await scene.see(scene.page.get_by_role("dialog", name="Sign in"))


@state("signed-out-wrong-key", apart=True)
async def wrong_key(scene: Scene) -> None:
    await signed_out(scene)
    await sign_in(scene.page, "pk_default_000000000000_wrong")
    await expect(scene.page.get_by_role("alert").first).to_contain_text("not known")


@state("signed-in", apart=True, clock={"cast": []})
async def signed_in(scene: Scene) -> None:
    await _enter(scene, "/", scene.world.key)
    await scene.see("#agent")


@state("may-not-begin", apart=True, clock={"cast": []})
async def may_not_begin(scene: Scene) -> None:
    await _enter(scene, "/", scene.world.small_key)
    await scene.see("#welcome", "You cannot start a conversation here")


@state("inspector-without-trace", apart=True, clock={"cast": []})
async def inspector_without_trace(scene: Scene) -> None:
    session = await scene.begin("assistant", "What is a trace?", says("A path."), user="ann")
    await scene.world.rest(session)
    await _enter(scene, f"/sessions/{session}#step=t1.s1", scene.world.key)
    await scene.see("#detail", "session:trace")
