"""The rows of a terminal after text was written to it."""

import re

from rich.cells import cell_len

_PIECE = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[[\d;]*m|(.)", re.DOTALL)


def screen(written: str, columns: int) -> list[str]:
    """The rows from the top, without trailing spaces; supports the control sequences that `perdure chat` writes."""
    rows: list[list[str]] = [[]]
    row = column = 0
    for found in _PIECE.finditer(written):
        count, command, character = int(found[1] or 1) if found[2] else 1, found[2], found[3]
        match command:
            case "A":
                row = max(row - count, 0)
            case "G":
                column = count - 1
            case "J":
                del rows[row + 1 :]
                del rows[row][column:]
            case "K":
                del rows[row][column:]
        if character == "\n":
            row, column = row + 1, 0
        elif character:
            width = cell_len(character)
            if column + width > columns:
                row, column = row + 1, 0
            while len(rows) <= row:
                rows.append([])
            rows[row] += [" "] * (column - len(rows[row]))
            rows[row][column : column + width] = [character, *[""] * (width - 1)]
            column += width
        while len(rows) <= row:
            rows.append([])
    return ["".join(cells).rstrip() for cells in rows]
