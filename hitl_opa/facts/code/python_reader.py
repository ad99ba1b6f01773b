"""The walk over Python's tree: which files, processes, hosts and other code its calls reach."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from hitl_opa.facts.code.python_calls import ATTRIBUTES, CALLS
from hitl_opa.facts.code.python_sdks import dotted, root
from hitl_opa.facts.paths import UNKNOWN
from hitl_opa.facts.shell.frame import Frame
from hitl_opa.facts.shell.words import Word

if TYPE_CHECKING:
    from hitl_opa.facts.shell.interpret import Shell

MAX_NODES = 20_000
GUARD_STATE = "/var/lib/hitl-opa/approvals"  # what `programs/guard.yaml` names for the same on the command line
_RUNNING = frozenset({"shell", "process", "argv", "dynamic", "delete-tree"})
_REFLECTED = (".__dict__", "__builtins__", "sys.modules", "vars()", "globals()")
_DECIDING = ("hitl_opa.cli", "hitl_opa.approvals")


class Reader:
    def __init__(self, shell: Shell, frame: Frame, via: str, script: bool) -> None:
        self.shell = shell
        self.frame = frame
        self.via = via
        self.script = script
        self.values: dict[str, str] = {}
        self.names: dict[str, str] = {}  # local name -> module path it was imported from
        self.classes: dict[str, str] = {}  # variable -> type of object it holds
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef] = {}
        self.origin = frozenset[str]()
        self.printed: str | None = ""
        self.active: set[str] = set()
        self.seen = 0
        self.socket = self.dup = False
        self.loops = 0

    def module(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            self.seen += 1
            if self.seen > MAX_NODES:
                self.shell.ledger.opaque("too-large", "more Python than is read", self.via)
                return
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.functions[node.name] = node
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    if alias.name.startswith(_DECIDING):
                        self.names[alias.name] = alias.name
                    self.names[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    self.names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
                    if alias.name == "*":
                        own = [name for name in CALLS if name.rpartition(".")[0] == node.module]
                        self.names.update({name.rpartition(".")[2]: name for name in own})
        self._imports()
        self.seen = 0
        self.body(tree.body)

    def _imports(self) -> None:
        for name in self.names.values():
            if name.startswith(_DECIDING):  # an agent does not decide on its own calls
                self.shell.ledger.path("write", GUARD_STATE, "/", via=self.via)
        for module in {n.split(".")[0] for n in self.names.values()}:
            if module in ("ctypes", "cffi", "mmap") and not self.script:
                self.shell.ledger.opaque("inline-code", f"import {module}", self.via)

    def body(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            self.statement(node)

    def statement(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            assigned = self.value(node.value) if node.value is not None else UNKNOWN
            full = (
                self.full_name(node.value) if isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript) else ""
            )
            kind = self.kind(node.value) if node.value is not None else ""
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                name = dotted(target)
                if (
                    name
                    and "." not in name
                    and (full.removeprefix("builtins.") in CALLS or full in self.names.values())
                ):
                    self.names[name] = full  # another name for a function or a module
                if name:
                    self.values[name] = (
                        (self.values.get(name, "") + assigned) if isinstance(node, ast.AugAssign) else assigned
                    )
                    if kind:
                        self.classes[name] = kind
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                self.value(decorator)
            self.function(node, [], {})  # it may be called by whoever gets it
        elif isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                    self.function(item, [], {})
                else:
                    self.statement(item)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self.loops += 1
            for value in self.items(node.iter)[:8] or [UNKNOWN]:
                if isinstance(node.target, ast.Name):
                    self.values[node.target.id] = value
                self.body(node.body)
            self.loops -= 1
            self.body(node.orelse)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for entry in node.items:
                entered = self.value(entry.context_expr)
                kind = self.kind(entry.context_expr)
                if entry.optional_vars is not None and (name := dotted(entry.optional_vars)):
                    self.values[name] = entered
                    if kind:
                        self.classes[name] = kind
            self.body(node.body)
        elif isinstance(node, ast.If | ast.While):
            self.loops += isinstance(node, ast.While)
            self.value(node.test)
            self.body(node.body)
            self.loops -= isinstance(node, ast.While)
            self.body(node.orelse)
        elif isinstance(node, ast.Try):
            self.body(node.body)
            for handler in node.handlers:
                self.body(handler.body)
            self.body(node.orelse)
            self.body(node.finalbody)
        elif isinstance(
            node, ast.Import | ast.ImportFrom | ast.Pass | ast.Global | ast.Nonlocal | ast.Break | ast.Continue
        ):
            return
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self.value(child)
                elif isinstance(child, ast.stmt):
                    self.statement(child)
                else:
                    for below in ast.iter_child_nodes(child):
                        if isinstance(below, ast.stmt):
                            self.statement(below)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, args: list[str], keywords: dict[str, str]) -> str:
        if node.name in self.active or len(self.active) > 6:
            return UNKNOWN
        kept = dict(self.values)
        self.active.add(node.name)
        names = [a.arg for a in node.args.args]
        if names[:1] == ["self"]:
            names = names[1:]
        for i, name in enumerate(names):
            self.values[name] = args[i] if i < len(args) else keywords.get(name, UNKNOWN)
            self.classes.pop(name, None)
        returned = UNKNOWN
        try:
            self.body(node.body)
            last = node.body[-1] if node.body else None
            if isinstance(last, ast.Return) and last.value is not None:
                returned = self.value(last.value)
        finally:
            self.active.discard(node.name)
            self.values = kept
        return returned

    # -- expressions --------------------------------------------------------------------------

    def value(self, node: ast.expr | None) -> str:
        """The text of an expression as far as constant; calls in it take effect."""
        self.seen += 1
        if node is None or self.seen > MAX_NODES:
            if node is not None:
                self.shell.ledger.opaque("too-large", "more Python than is read", self.via)
            return UNKNOWN
        if isinstance(node, ast.Constant):
            return (
                node.value
                if isinstance(node.value, str)
                else node.value.decode("utf-8", "replace")
                if isinstance(node.value, bytes)
                else str(node.value)
            )
        if isinstance(node, ast.Name):
            return self.values.get(node.id, UNKNOWN)
        if isinstance(node, ast.JoinedStr):
            return "".join(self.value(v) for v in node.values)
        if isinstance(node, ast.FormattedValue):
            return self.value(node.value)
        if isinstance(node, ast.BinOp):
            left, right = self.value(node.left), self.value(node.right)
            if isinstance(node.op, ast.Add):
                return (left + right)[:65536]
            if isinstance(node.op, ast.Div):
                return f"{left.rstrip('/')}/{right}" if right[:1] != "/" else right
            if isinstance(node.op, ast.Mult) and right.isdigit() and UNKNOWN not in left:
                return (left * min(int(right[:4]), 1000))[:65536]
            if isinstance(node.op, ast.Mod):
                return left.replace("%s", right, 1) if left.count("%s") == 1 else UNKNOWN
            return UNKNOWN
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return " ".join(self.value(v) for v in node.elts)
        if isinstance(node, ast.Call):
            return self.call(node)
        if isinstance(node, ast.Attribute):
            name = dotted(node)
            if name and name in self.values:
                return self.values[name]
            full = self.full_name(node)
            if full == "os.environ":
                self.origin |= {"secret"} | self.frame.loaded
            if not name:
                self.value(node.value)
            return {"os.sep": "/", "os.devnull": "/dev/null", "sys.executable": "python3"}.get(full, UNKNOWN)
        if isinstance(node, ast.Subscript):
            base = self.value(node.value)
            if (
                self.full_name(node.value) == "os.environ"
                and isinstance(node.slice, ast.Constant)
                and str(node.slice.value) == "HOME"
            ):
                return self.shell.home or UNKNOWN
            if isinstance(node.slice, ast.Slice):
                step = self.value(node.slice.step) if node.slice.step is not None else ""
                if step == "-1" and UNKNOWN not in base:
                    return base[::-1]
            elif (
                isinstance(node.value, ast.List | ast.Tuple)
                and isinstance(node.slice, ast.Constant)
                and isinstance(node.slice.value, int)
                and abs(node.slice.value) < len(node.value.elts)
            ):
                return self.value(node.value.elts[node.slice.value])
            else:
                self.value(node.slice if isinstance(node.slice, ast.expr) else None)
                if not self.script and self.full_name(node.value).endswith(_REFLECTED):
                    self.shell.ledger.opaque("dynamic-code", ast.unparse(node)[:200], self.via)
            return UNKNOWN
        if isinstance(node, ast.UnaryOp):
            inner = self.value(node.operand)
            return "-" + inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.Lambda):
            self.value(node.body)
            return UNKNOWN
        if isinstance(node, ast.NamedExpr):
            value = self.value(node.value)
            self.values[node.target.id] = value
            return value
        if isinstance(node, ast.IfExp):
            self.value(node.test)
            first, second = self.value(node.body), self.value(node.orelse)
            return first if first == second else UNKNOWN
        if isinstance(node, ast.Await | ast.Starred | ast.YieldFrom):
            return self.value(node.value)
        if isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp):
            for generator in node.generators:
                items = self.items(generator.iter)
                if isinstance(generator.target, ast.Name):
                    self.values[generator.target.id] = items[0] if len(items) == 1 else UNKNOWN
                for condition in generator.ifs:
                    self.value(condition)
            if isinstance(node, ast.DictComp):
                self.value(node.key)
                self.value(node.value)
            else:
                self.value(node.elt)
            return UNKNOWN
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.value(child)
        return UNKNOWN

    def items(self, node: ast.expr) -> list[str]:
        if isinstance(node, ast.List | ast.Tuple | ast.Set):
            return [self.value(v) for v in node.elts]
        value = self.value(node)
        return [value] if UNKNOWN not in value and any(c in value for c in "*?") else []

    def argv(self, node: ast.expr | None) -> list[Word] | None:
        """A list display as the words of a command."""
        if isinstance(node, ast.List | ast.Tuple):
            out: list[Word] = []
            for element in node.elts:
                value = self.value(element)
                out.append(Word(value, False, self._origin_of(element)))
            return out
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            full = self.full_name(node.func)
            if full == "shlex.split" or node.func.attr == "split":
                text = self.value(node.args[0] if full == "shlex.split" and node.args else node.func.value)
                return [Word(t) for t in text.split()]
        return None

    def _origin_of(self, node: ast.expr) -> frozenset[str]:
        return frozenset()

    def kind(self, node: ast.expr) -> str:
        """The type of object that an expression makes, by the name that is called."""
        if isinstance(node, ast.Call):
            full = self.full_name(node.func)
            if isinstance(node.func, ast.Attribute) and not full.split(".")[0]:
                return ""
            return full
        base = root(node)
        return self.classes.get(dotted(node) or "", "") or self.classes.get(base, "") or self._made(node, base)

    def _made(self, node: ast.expr, base: str) -> str:
        """``MongoClient().shop``: still what the library made."""
        called = any(isinstance(part, ast.Call) for part in ast.walk(node))
        return self.names.get(base, "") if called and isinstance(node, ast.Attribute | ast.Subscript) else ""

    def full_name(self, node: ast.expr) -> str:
        """``os.system`` for whatever local name stands for it; ``""`` parts where the base is no name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            base = self.names.get(node.id, node.id)
            return ".".join([base, *reversed(parts)])
        if isinstance(node, ast.Call):
            inner = self.full_name(node.func)
            if inner in ("__import__", "importlib.import_module") and node.args:
                return ".".join([self.value(node.args[0]), *reversed(parts)])
            return ".".join([inner + "()", *reversed(parts)])
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            base = self.full_name(node.value)
            if base == "sys.modules":
                return ".".join([node.slice.value, *reversed(parts)])
            if base.endswith((".__dict__", "__builtins__")) or base in ("vars()", "globals()", "locals()"):
                owner = base.removesuffix("__dict__").removesuffix("__builtins__").rstrip(".")
                owner = "" if base.endswith("()") else owner
                return ".".join(p for p in (owner, node.slice.value, *reversed(parts)) if p)
        return ".".join(["", *reversed(parts)])

    # -- calls --------------------------------------------------------------------------------

    def call(self, node: ast.Call) -> str:
        from hitl_opa.facts.code import python_effects, python_sdks, python_values

        full = self.full_name(node.func)
        method = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        receiver = ""
        if isinstance(node.func, ast.Attribute):
            base = dotted(node.func.value)
            receiver = self.classes.get(base or "", "") or (
                self.kind(node.func.value) if isinstance(node.func.value, ast.Call) else ""
            )
        name = full.removeprefix("builtins.")
        for passed in (*node.args, *(k.value for k in node.keywords)):
            if (
                isinstance(passed, ast.Name | ast.Attribute)
                and dotted(passed) not in self.values
                and CALLS.get(self.full_name(passed).removeprefix("builtins."), "").split(" ")[0] in _RUNNING
            ):  # map(os.system, …), Thread(target=os.system): whoever gets the function calls it
                self.shell.ledger.opaque("dynamic-code", ast.unparse(node)[:200], self.via)
        local = full.rsplit(".", 1)[-1] if full.startswith("self.") else full
        if local in self.functions and (full == local or full.startswith("self.")):
            args = [self.value(a) for a in node.args]
            keywords = {k.arg: self.value(k.value) for k in node.keywords if k.arg}
            return self.function(self.functions[local], args, keywords)
        action = CALLS.get(name)
        if action is None and method:
            kind = receiver.rsplit(".", 1)[-1] if receiver else ""
            action = ATTRIBUTES.get(f"{kind}.{method}") or ATTRIBUTES.get(method)
        if method:
            python_sdks.act(self, node.func, method)
        if action is None:
            for arg in node.args:
                self.value(arg)
            for keyword in node.keywords:
                self.value(keyword.value)
            if isinstance(node.func, ast.Attribute):
                return python_values.method(self, node, method)
            if isinstance(node.func, ast.Call | ast.Subscript):
                self.value(node.func)
                self.shell.ledger.opaque("dynamic-code", ast.unparse(node.func)[:200], self.via)
            return python_values.constant(self, name, node)
        return python_effects.act(self, action, node, name, receiver)
