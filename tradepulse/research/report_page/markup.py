"""HTML that is escaped by construction: what is not `Html` is text."""

import html

_VOID = frozenset(("br", "col", "input", "meta"))


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def el(tag: str, *children: object, **attributes: object) -> Html:
    """Return an element.

    Args:
        tag: its name.
        children: `Html` is kept, everything else is escaped; None is left out.
        attributes: always escaped; `_` in a name becomes `-` and one at its end is dropped.
            None and False are left out, True is an attribute without a value.
    """
    opened = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = name.rstrip("_").replace("_", "-")
        opened.append(written if value is True else f'{written}="{html.escape(str(value))}"')
    start = f"<{' '.join(opened)}>"
    return Html(start if tag in _VOID else f"{start}{join(*children)}</{tag}>")


def join(*children: object) -> Html:
    """Return children one after the other, escaped as by `el`."""
    return Html(
        "".join(
            child if isinstance(child, Html) else html.escape(str(child))
            for child in children
            if child is not None
        )
    )
