"""Single faults that can be planted in a module: what a hurried hand might have written instead."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Is: "is not",
    ast.IsNot: "is",
}
CALCULATED: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.BitOr: "&",
    ast.BitAnd: "|",
}
CALLED = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "popleft": "pop",
    "minimum": "maximum",
    "maximum": "minimum",
}
QUIET = ("log.", "console.", "warnings.", "typer.echo", "sys.stderr", "sys.stdout")
"""What only tells a person something; nobody's promise hangs on it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One change of one place.

    Attributes:
        path: of the module, from the root of the project.
        line: where it is.
        inside: the function that holds it, for the reader.
        says: what was changed into what.
        begin: first character of what is replaced; `end` the one after the last.
        text: what stands there instead.
    """

    path: str
    line: int
    inside: str
    says: str
    begin: int
    end: int
    text: str

    @property
    def key(self) -> str:
        """What names it as long as the code around it stays."""
        return f"{self.path}:{self.inside}: {self.says}"

    def planted(self, source: str) -> str:
        """Return the module with the fault in it."""
        return source[: self.begin] + self.text + source[self.end :]


class _Finder(ast.NodeVisitor):
    def __init__(self, path: str, source: str) -> None:
        self._path = path
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line.encode()))
        self._bytes = source.encode()
        self._inside: list[str] = []
        self.found: list[Fault] = []

    def _at(self, line: int, column: int) -> int:
        return len(self._bytes[: self._starts[line - 1] + column].decode())

    def _span(self, node: ast.AST) -> tuple[int, int]:
        return (
            self._at(node.lineno, node.col_offset),  # type: ignore[attr-defined]  # it has a place
            self._at(node.end_lineno, node.end_col_offset),  # type: ignore[attr-defined]  # likewise
        )

    def _add(self, node: ast.AST, says: str, span: tuple[int, int], text: str) -> None:
        inside = ".".join(self._inside) or "module"
        line = node.lineno  # type: ignore[attr-defined]  # it has a place
        self.found.append(Fault(self._path, line, inside, says, *span, text))

    def _code(self, node: ast.AST) -> str:
        begin, end = self._span(node)
        return self._source[begin:end]

    def _between(self, left: ast.AST, right: ast.AST, new: str, node: ast.AST) -> None:
        begin, end = self._span(left)[1], self._span(right)[0]
        old = self._source[begin:end]
        sign = old.strip(" ()\n\\")
        if sign and sign in old:
            at = begin + old.index(sign)
            says = f"`{' '.join(self._code(node).split())[:90]}`: {sign} → {new}"
            self._add(node, says, (at, at + len(sign)), new)

    def _scope(self, node: ast.AST, name: str) -> None:
        self._inside.append(name)
        for child in getattr(node, "body", []):
            self.visit(child)
        self._inside.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scope(node, node.name)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._scope(node, node.name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scope(node, node.name)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_Raise(self, node: ast.Raise) -> None:
        # which error is raised is a contract, how it is worded is not
        del node

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        code = self._code(node)
        if code.removeprefix("await ").startswith(QUIET):
            return
        if self._inside and isinstance(node.value, ast.Call | ast.Await):
            says = f"`{' '.join(code.split())[:90]}` left out"
            self._add(node, says, self._span(node), "pass")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if len(node.ops) == 1 and (new := COMPARED.get(type(node.ops[0]))):
            self._between(node.left, node.comparators[0], new, node)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        is_text = any(
            isinstance(side, ast.JoinedStr)
            or (isinstance(side, ast.Constant) and isinstance(side.value, str))
            for side in (node.left, node.right)
        )
        if not is_text and (new := CALCULATED.get(type(node.op))):
            self._between(node.left, node.right, new, node)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        new = "or" if isinstance(node.op, ast.And) else "and"
        self._between(node.values[0], node.values[1], new, node)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            begin, _ = self._span(node)
            operand = self._span(node.operand)[0]
            says = f"`{' '.join(self._code(node).split())[:90]}`: sign left out"
            self._add(node, says, (begin, operand), "")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if not self._inside:
            return
        if isinstance(node.value, bool):
            self._add(
                node, f"{node.value} → {not node.value}", self._span(node), str(not node.value)
            )
        elif isinstance(node.value, int):
            says = f"{node.value} → {node.value + 1} in line {node.lineno}"
            self._add(node, says, self._span(node), str(node.value + 1))

    def visit_Call(self, node: ast.Call) -> None:
        if self._code(node).startswith(QUIET):
            return
        name = node.func
        word = name.id if isinstance(name, ast.Name) else getattr(name, "attr", "")
        if new := CALLED.get(word):
            _, end = self._span(name)
            says = f"`{' '.join(self._code(node).split())[:90]}`: {word} → {new}"
            self._add(node, says, (end - len(word), end), new)
        self.generic_visit(node)

    def visit_Break(self, node: ast.Break) -> None:
        self._add(node, f"break → continue in line {node.lineno}", self._span(node), "continue")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._add(node, f"continue → break in line {node.lineno}", self._span(node), "break")


def faults_of(path: str, source: str) -> Iterator[Fault]:
    """Yield every fault that can be planted in a module and leaves it Python."""
    finder = _Finder(path, source)
    finder.visit(ast.parse(source))
    for fault in finder.found:
        try:
            ast.parse(fault.planted(source))
        except SyntaxError:
            continue
        yield fault
