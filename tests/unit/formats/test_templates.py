"""Go's text/template over JSON: results and refusals as Go gives them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_engine.formats.go_printf import printf, show
from kernel_engine.formats.templates import Fields, TemplateError, compile_template, go_json

DATA = {
    "Id": "abc",
    "State": {"Status": "running", "Pid": 42, "Running": True, "Error": ""},
    "Config": {"Cmd": ["sh", "-c", "ls"], "Env": [], "Labels": {"b": "2", "a": "1"}},
    "Mounts": [{"Source": "/a", "RW": True}, {"Source": "/b", "RW": False}],
    "Nothing": None,
    "Ratio": 1.5,
    "Big": 1984162,
}


def run(text: str, data: Any = None) -> str:
    return compile_template(text).execute(DATA if data is None else data)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("plain", "plain"),
        ("{{.Id}}", "abc"),
        ("{{ .State.Status }}!", "running!"),
        ("{{.State.Pid}} {{.State.Running}} {{.Ratio}} {{.Big}}", "42 true 1.5 1984162"),
        ("{{.Config.Cmd}} {{.Config.Env}} {{.Config.Labels}}", "[sh -c ls] [] map[a:1 b:2]"),
        ("{{.Nothing}}", "<no value>"),
        ("{{.State.Error}}|", "|"),
        ("{{json .Config}}", '{"Cmd":["sh","-c","ls"],"Env":[],"Labels":{"b":"2","a":"1"}}'),
        ('{{json "<a&b>"}}', '"\\u003ca\\u0026b\\u003e"'),
        ('{{index .Config.Labels "a"}}', "1"),
        ('{{index .Config.Labels "none"}}', "<no value>"),
        ("{{index .Config.Cmd 2}}", "ls"),
        ('{{index .Config "Cmd" 0}}', "sh"),
        ("{{(index .Mounts 1).Source}}", "/b"),
        ("{{len .Mounts}} {{len .Id}}", "2 3"),
        ('{{join .Config.Cmd "+"}}', "sh+-c+ls"),
        ('{{index (split "a,b" ",") 1}}', "b"),
        ('{{upper .Id}} {{lower "ABC"}} {{title "hello world"}}', "ABC abc Hello World"),
        ('{{.Id | upper | printf "%s-%s" "x"}}', "x-ABC"),
        (
            '{{printf "%5d|%-5s|%05.1f|%q|%v|%t|%%" 42 "a" 1.25 "x" .Config.Cmd true}}',
            '   42|a    |001.2|"x"|[sh -c ls]|true|%',
        ),
        ('{{pad "x" 1 2}}|', " x  |"),
        ('{{truncate "abcdef" 3}}', "abc"),
        ('{{slice "abcdef" 1 3}} {{slice .Config.Cmd 1}}', "bc [-c ls]"),
        ("{{range .Mounts}}{{.Source}} {{end}}", "/a /b "),
        ("{{range $i, $m := .Mounts}}{{$i}}={{$m.Source}};{{end}}", "0=/a;1=/b;"),
        ("{{range $k, $v := .Config.Labels}}{{$k}}{{$v}} {{end}}", "a1 b2 "),
        ("{{range .Config.Env}}x{{else}}none{{end}}", "none"),
        ("{{range .Nothing}}x{{else}}none{{end}}", "none"),
        ("{{range 3}}{{.}}{{end}}", "012"),
        ('{{range .Config.Cmd}}{{if eq . "-c"}}{{continue}}{{end}}{{.}}{{end}}', "shls"),
        ('{{range .Config.Cmd}}{{if eq . "-c"}}{{break}}{{end}}{{.}}{{end}}', "sh"),
        ("{{if .State.Running}}up{{else}}down{{end}}", "up"),
        ("{{if .State.Error}}bad{{else if gt .State.Pid 40}}fine{{else}}?{{end}}", "fine"),
        ('{{if and .State.Running (eq .State.Status "running")}}1{{end}}', "1"),
        ("{{if or .Nothing .State.Error}}1{{else}}0{{end}}", "0"),
        ("{{if not .Nothing}}1{{end}}", "1"),
        ('{{eq .Id "x" "abc"}} {{ne 1 2}} {{lt 1 2}} {{le 2 2}} {{ge 1 2}}', "true true true true false"),
        ("{{with .State}}{{.Pid}}{{end}}{{with .Nothing}}x{{else}}-{{end}}", "42-"),
        ("{{$x := .Id}}{{with .State}}{{$x}} {{$.Id}}{{end}}", "abc abc"),
        ("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}", "2"),
        ("a {{- .Id -}} b", "aabcb"),
        ("a{{/* a comment */}}b {{- /* c */ -}} c", "abc"),
        ("{{`raw`}} {{\"tab\\tend\"}} {{'a'}} {{0x10}} {{-3}} {{true}}", "raw tab\tend 97 16 -3 true"),
        ('{{print 1 2 "a" 3}} {{println "x"}}', "1 2a3 x\n"),
        ('{{html "<a>"}} {{urlquery "a b"}}', "&lt;a&gt; a+b"),
        ('{{js "a<b"}}', "a\\u003Cb"),
        ("{{.Id | }}", "abc"),
        ('{{define "x"}}<{{.}}>{{end}}{{template "x" .Id}}{{block "y" .}}b{{end}}', "<abc>b"),
    ],
)
def test_results(text: str, result: str) -> None:
    assert run(text) == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{.Foo}}", 'template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"'),
        ("{{.Id.Foo}}", 'template: :1:5: executing "" at <.Id.Foo>: can\'t evaluate field Foo in type interface {}'),
        ("x\n {{.State.No}}", 'template: :2:9: executing "" at <.State.No>: map has no entry for key "No"'),
        ("{{.Nothing.X}}", 'template: :1:10: executing "" at <.Nothing.X>: nil pointer evaluating interface {}.X'),
        ("{{.ID", "template: :1: unclosed action"),
        ("{{}}", "template: :1: missing value for command"),
        ("{{nosuch .}}", 'template: :1: function "nosuch" not defined'),
        ("{{if .Id}}", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
        ("{{$x}}", 'template: :1: undefined variable "$x"'),
        ('{{"open}}', "template: :1: unterminated quoted string"),
        ("{{.Id)}}", "template: :1: unexpected right paren"),
        ("{{break}}", "template: :1: {{break}} outside {{range}}"),
        ("{{(.Id}}", "template: :1: unclosed left paren"),
        ("{{1 2}}", 'template: :1:2: executing "" at <1>: can\'t give argument to non-function 1'),
        (
            "{{index .Config.Cmd 9}}",
            'template: :1:2: executing "" at <index .Config.Cmd 9>: error calling index: index out of range: 9',
        ),
        ("{{len 3}}", 'template: :1:2: executing "" at <len 3>: error calling len: len of type int'),
        ("{{json.}}", "template: :1: unexpected <.> in operand"),
        ("{{.Id.}}", "template: :1: unexpected <.> in operand"),
        ("{{json(.Id)}}", 'template: :1: unexpected "(" in operand'),
        ("{{.Id}", "template: :1: bad character U+007D '}'"),
        ("{{/* c }}", "template: :1: unclosed comment"),
        ("{{/* c */ .Id}}", "template: :1: comment ends before closing delimiter"),
        ("{{| .Id}}", 'template: :1: unexpected "|" in command'),
        ("{{'a}}", "template: :1: unterminated character constant"),
        ("{{+}}", 'template: :1: illegal number syntax: "+"'),
        ("{{1a}}", 'template: :1: bad number syntax: "1a"'),
        ("{{nil.x}}", 'template: :1: unexpected . after term "nil"'),
        ("{{nil}}", 'template: :1:2: executing "" at <nil>: nil is not a command'),
        ("{{:}}", "template: :1: expected :="),
        ("{{$x=3}}", "template: :1: bad character U+003D '='"),
        ("{{$x, $y := .Id}}", "template: :1: too many declarations in command"),
        ("{{.Id, .Id}}", 'template: :1: unexpected "," in operand'),
        ("{{json}}", 'template: :1:2: executing "" at <json>: wrong number of args for json: want 1 got 0'),
        (
            "{{printf}}",
            'template: :1:2: executing "" at <printf>: wrong number of args for printf: want at least 1 got 0',
        ),
        ("{{.Id .Id}}", 'template: :1:2: executing "" at <.Id>: Id is not a method but has arguments'),
        ('{{template "x"}}', 'template: :1:11: executing "" at <{{template "x"}}>: template "x" not defined'),
        (
            "{{slice .Id 99 100}}",
            'template: :1:2: executing "" at <slice .Id 99 100>: error calling slice: index out of range: 99',
        ),
        (
            "{{call .Id}}",
            'template: :1:2: executing "" at <call .Id>: error calling call: non-function .Id of type string',
        ),
        (
            "{{lt .Id 3}}",
            'template: :1:2: executing "" at <lt .Id 3>: error calling lt: incompatible types for comparison',
        ),
        ("{{lower 3}}", 'template: :1:2: executing "" at <lower 3>: wrong type for value; lower got int'),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        run(text)
    assert str(caught.value) == message


def test_a_rows_fields() -> None:
    row = Fields({"ID": "1", "Label": lambda name: f"<{name}>", "Size": "3B"}, "*formatter.X")
    assert run('{{.ID}} {{.Label "a"}}', row) == "1 <a>"
    assert run("{{json .}}", row) == '{"ID":"1","Size":"3B"}'
    with pytest.raises(TemplateError, match=r"can't evaluate field No in type \*formatter\.X"):
        run("{{.No}}", row)
    with pytest.raises(TemplateError, match="wrong number of args for ID: want 0 got 1"):
        run('{{.ID "x"}}', row)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "<no value>"), ([None, True], "[<nil> true]"), ({"b": [], "a": None}, "map[a:<nil> b:[]]"), (2.0, "2"),
     (1e21, "1e+21"), (1.5e-7, "1.5e-07")],
)  # fmt: skip
def test_values_print_as_in_go(value: Any, text: str) -> None:
    assert show(value) == text


@pytest.mark.parametrize(
    ("form", "values", "text"),
    [("%d", (), "%!d(MISSING)"), ("%d", ("x",), "%!d(string=x)"), ("%s", (3,), "%!s(int=3)"),
     ("a", (1,), "a%!(EXTRA int=1)"),
     ("%x", (255,), "ff"), ("%X", ("hi",), "6869"), ("%+d", (3,), "+3"), ("%T", (None,), "<nil>"),
     ("%*d", (4, 7), "   7"),
     ("%.2f", (1.005,), "1.00"), ("%c%U", (44032, 44032), "가U+AC00")],
)  # fmt: skip
def test_printf(form: str, values: tuple[Any, ...], text: str) -> None:
    assert printf(form, *values) == text


def test_json_leaves_korean_as_it_is() -> None:
    assert go_json({"이름": "값"}) == '{"이름":"값"}'


@given(st.text(alphabet="{}.$|()\"`'ab 1-:=/*", max_size=24))
def test_any_text_is_carried_out_or_refused(text: str) -> None:
    try:
        run(text, {"a": 1, "b": [1]})
    except TemplateError:
        pass
