"""`python -m perdure.gateway.reference`: writes the guide's generated blocks anew."""

from perdure.gateway.reference.blocks import write

if __name__ == "__main__":
    print("\n".join(f"wrote {name}.md" for name in write()) or "nothing has changed")  # noqa: T201
