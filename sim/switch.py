"""Puts many faults into one tree, each behind a number, so that they are built once: the variable PILLARBOX_FAULT says which of them is on.

A fault is an other text for a part of a function. The body of the function is there once for each fault, and once as it is."""
import json
import re
import subprocess

# What the copy's core says which fault is on with; `no_std` holds for what is built, not for what is tried.
SWITCH = """
extern crate std;

#[allow(missing_docs)]
pub mod switch {
    pub fn on() -> u32 {
        static ON: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
        *ON.get_or_init(|| std::env::var("PILLARBOX_FAULT").map_or(0, |n| n.parse().expect("a number")))
    }
}
"""

# Where faults are.
PACKAGES = ["-ppillarbox-core", "-ppillarbox-store", "-ppillarbox-driver"]


class Fault:
    """An other text for `text[start:end]` of a file, and the number it is switched on by."""

    def __init__(self, number, path, start, end, instead):
        self.number, self.path, self.start, self.end, self.instead = number, path, start, end, instead

    @classmethod
    def of_text(cls, number, path, text, there, instead):
        """A fault by what stands there: only where the two differ, so that what is around it may lie outside the function."""
        start, head, tail = text.index(there), 0, 0
        while head < min(len(there), len(instead)) and there[head] == instead[head]:
            head += 1
        while tail < min(len(there), len(instead)) - head and there[-1 - tail] == instead[-1 - tail]:
            tail += 1
        return cls(number, path, start + head, start + len(there) - tail, instead[head : len(instead) - tail])


def put(root, faults, environment):
    """Writes the faults into the tree at `root`. Returns those that cannot be switched: outside of functions, or they do not compile so."""
    lib = root / "core/src/lib.rs"
    lib.write_text(lib.read_text() + SWITCH)
    originals = {path: (root / path).read_text() for path in {f.path for f in faults}}
    left = []
    faults = list(faults)
    while True:
        arms = {}
        for path, text in originals.items():
            written, arms[path], outside = switched(path, text, [f for f in faults if f.path == path])
            (root / path).write_text(written)
            left += outside
            faults = [f for f in faults if f not in outside]
        wrong = {n for path in arms for n in do_not_parse(root / path, arms[path])} or do_not_compile(root, arms, environment)
        if not wrong:
            return left
        left += [f for f in faults if f.number in wrong]
        faults = [f for f in faults if f.number not in wrong]


def switched(path, text, faults):
    """The text with each function's bodies, the lines of each fault, and the faults that lie in no function."""
    bodies = functions(text)
    chosen, outside = {}, []
    for fault in faults:
        body = next((body for body in bodies if body[1] < fault.start and fault.end < body[2]), None)
        if body:
            chosen.setdefault(body, []).append(fault)
        else:
            outside.append(fault)
    on = "crate::switch::on()" if path.startswith("core/") else "pillarbox_core::switch::on()"
    written, at, lines = "", 0, []
    for (sign, a, b), some in sorted(chosen.items()):
        # A constant function cannot look at a variable.
        written += text[at:sign].removesuffix("const ") + text[sign:a] + "{ match " + on + " {\n"
        for fault in some:
            begun = written.count("\n") + 1
            written += f"{fault.number} => {text[a : fault.start]}{fault.instead}{text[fault.end : b]}\n"
            lines.append((begun, written.count("\n"), fault.number))
        written += f"_ => {text[a:b]}\n}} }}"
        at = b
    return written + text[at:], lines, outside


def do_not_parse(path, arms):
    """The first of them that is no Rust: the compiler would say no more of the others either, and takes longer."""
    command = ["rustfmt", "--edition", "2024", "--emit", "stdout"]
    done = subprocess.run(command, stdin=path.open(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    places = [int(line) for line in re.findall(r"--> <stdin>:(\d+):", done.stderr)] if done.returncode else []
    return {n for line in places for a, b, n in arms if a <= line <= b}


def do_not_compile(root, arms, environment):
    """The numbers of the faults that the compiler refuses."""
    command = ["cargo", "check", "-q", *PACKAGES, "--features", "pillarbox-store/conformance", "--message-format=json"]
    done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)
    wrong, others = set(), []
    for line in done.stdout.splitlines():
        message = json.loads(line).get("message") or {}
        if message.get("level") != "error":
            continue
        at = {n for span in message["spans"] for a, b, n in arms.get(span["file_name"], []) if a <= span["line_start"] <= b}
        wrong |= at
        if not at and message["spans"]:
            others.append(message["rendered"])
    if done.returncode and not wrong:
        raise SystemExit("the copy does not compile:\n" + "\n".join(others))
    return wrong


def functions(text):
    """The outermost functions: where `fn` stands, and where the body begins and ends, with its braces."""
    code = without_text(text)
    found, at = [], 0
    while sign := re.compile(r"\bfn\s+\w+").search(code, at):
        at, depth = sign.end(), 0
        while depth or code[at] not in "{;":
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(code[at], 0)
            at += 1
        if code[at] == ";":
            continue
        begun = at
        while True:
            depth += {"{": 1, "}": -1}.get(code[at], 0)
            at += 1
            if not depth:
                break
        found.append((sign.start(), begun, at))
    return found


# Comments, raw texts, texts and characters; a lifetime is none.
TEXT = re.compile(r"""//[^\n]*|/\*.*?\*/|b?r(#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\[^\n]+?|[^'\\\n])'""", re.S)


def without_text(text):
    """The same with blanks for comments and literals."""
    return TEXT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
