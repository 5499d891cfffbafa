"""The routes by topic, made from the OpenAPI document."""

from perdure.gateway.app import create_routes
from perdure.gateway.guide.markdown import slug
from perdure.gateway.openapi.wording import cell


def reference() -> str:
    groups: dict[str, list[str]] = {}
    for path, operations in create_routes().openapi()["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            said = operation.get("description", "").split("\n\n")[0]
            groups.setdefault(operation["tags"][0], []).append(f"| [`{name}`](/docs#{slug(name)}) | {cell(said)} |")
    return "\n\n".join(
        "\n".join([f"### {name[:1].upper()}{name[1:]}", "", "| route | does |", "|---|---|", *lines])
        for name, lines in groups.items()
    )
