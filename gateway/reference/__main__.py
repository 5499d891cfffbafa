"""`python -m perdure.gateway.reference`: writes the guide's generated blocks anew, and the types of `client.js`."""

from perdure.gateway.reference import types
from perdure.gateway.reference.blocks import write

if __name__ == "__main__":
    changed = [f"{name}.md" for name in write()] + ["client.d.ts"] * types.write()
    print("\n".join(f"wrote {name}" for name in changed) or "nothing has changed")  # noqa: T201
