"""What a GPU did, as a table."""

from typing import Any

# Of a bfloat16 product on dense numbers, as NVIDIA tells of an H100 and an H200 SXM.
_PEAK = {"H100": 989.0, "H200": 989.0}
_GIB = 2**30
_HEADS = (
    *("part", "side", "work", "examples", "rows", "s a step", "apart", "examples/s"),
    *("needed TFLOP/s", "of peak", "of matrices", "useful", "GiB", "compiled in s"),
)


def as_text(found: list[dict[str, Any]]) -> str:
    """Returns tables of what was found, whatever of it there is."""
    machine = next((each["machine"] for each in found if "machine" in each), {})
    device = machine.get("device", "")
    peak = next((rate for name, rate in _PEAK.items() if name in device), None)
    lines = [", ".join(f"{name} {value}" for name, value in machine.items())]
    lines += [str(each["versions"]) for each in found if "versions" in each]
    lines += [str(each["equality"]) for each in found if "equality" in each]
    lines += [line for each in found if "profile" in each for line in _profile(each)]
    rows = [list(_HEADS)]
    for each in found:
        if "seconds" in each:
            rows.append(_row(each, peak, machine.get("matrix_tflops")))
        elif "error" in each:
            said = (each.get(key, "") for key in ("part", "side", "name"))
            rows.append([*said, "", each["error"].strip()[-90:]])
    widths = [max(len(row[i]) for row in rows if i < len(row)) for i in range(4)]
    for row in rows:
        first = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        rest = [
            cell.rjust(len(head))
            for cell, head in zip(row[4:], _HEADS[4:], strict=False)
        ]
        lines.append("  ".join([*first, *rest]).rstrip())
    return "\n".join([*lines, *_ratios(found), ""])


def _row(each: dict[str, Any], peak: float | None, matrices: float | None) -> list[str]:
    needed = each.get("needed_tflops")
    rows = "+".join("x".join(map(str, shape)) for shape in each["rows"])
    memory = each.get("memory")

    def share(of: float | None) -> str:
        return f"{needed / of:.1%}" if needed and of else ""

    return [
        *(each["part"], each["side"], each["name"], str(each["examples"]), rows),
        f"{each['seconds']:.4f}",
        f"{(each['most'] - each['least']) / each['seconds']:.0%}",
        f"{each['per_second']:.1f}",
        f"{needed:.1f}" if needed else "",
        *(share(peak), share(matrices)),
        f"{each['useful']:.0%}" if "useful" in each else "",
        f"{memory / _GIB:.2f}" if memory else "",
        f"{each['compiling']:.0f}" if "compiling" in each else "",
    ]


def _profile(each: dict[str, Any]) -> list[str]:
    kernels = [f"  {ms:9.3f}  {name}" for name, ms in each["kernels"].items()]
    told = f"{each['ms']:.1f} ms a step, {each['busy_ms']:.1f} of them in kernels"
    return [f"{each['profile']}: {told}", *kernels]


def _ratios(found: list[dict[str, Any]]) -> list[str]:
    """Returns how many examples a second ours does for one of PEFT's, and of banks."""
    timed = [each for each in found if "per_second" in each]
    ours = [each for each in timed if each["side"] == "spot_jax"]
    theirs = [each for each in timed if each["side"] == "PEFT"]
    lines = []
    for each in ours:
        for other in theirs:
            if _question(each) == _question(other):
                ratio = each["per_second"] / other["per_second"]
                lines.append(
                    f"{each['name']}: {ratio:.2f} times PEFT's {other['name']}"
                    f" (batches of {each['examples']} and {other['examples']})"
                )
        for other in ours:
            is_one = _question(each) == _question(other) and other["work"]["bank"] == 1
            if is_one and each["work"]["bank"] > 1:
                ratio = each["per_second"] / other["per_second"]
                lines.append(f"{each['name']}: {ratio:.2f} times one by one")
    return lines


def _question(each: dict[str, Any]) -> tuple:
    """Returns what two sides have in common that answer the same."""
    same = ("shape", "lengths", "kind", "dropout")
    size = each["work"]["batch"] if "x" not in each["work"]["lengths"] else 0
    return *(each["work"][name] for name in same), size
