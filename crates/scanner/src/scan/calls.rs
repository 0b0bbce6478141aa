//! Calls that run text as code or start other programs: often right, always worth a look by a person (SCAN-02, the seed
//! list). Comments do not count, nor do methods that merely share a name, nor code that a package manager installed.

use super::{
    Window,
    excerpt::{Lines, excerpt, line_before},
};
use crate::{Finding, Language, Severity, finding::Findings};
use regex::bytes::Regex;
use std::ops::Range;

/// A call, the languages it belongs to, and why it matters. Group 1 of the pattern is the call itself.
struct Call {
    languages: &'static [Language],
    rule: &'static str,
    title: &'static str,
    pattern: &'static str,
    remedy: &'static str,
}

use Language::*;

const JS: &[Language] = &[JavaScript, TypeScript, Vue, Svelte];
const RUNS_TEXT: &str = "Parse the data instead of running it, or say in the README why it is needed and what can reach it.";
const RUNS_PROGRAM: &str =
    "Pass a fixed program and a list of arguments, never a line built from input; say in the README why it is needed.";
const LOADS_OBJECTS: &str = "Use a format that holds data only, such as JSON; a pickle runs code when it is loaded.";

const CALLS: &[Call] = &[
    Call {
        languages: &[Python],
        rule: "call.python-eval",
        title: "Python runs text as code (eval).",
        pattern: r"(?:^|[^.\w])(eval\s*\()",
        remedy: RUNS_TEXT,
    },
    Call {
        languages: &[Python],
        rule: "call.python-exec",
        title: "Python runs text as code (exec).",
        pattern: r"(?:^|[^.\w])(exec\s*\()",
        remedy: RUNS_TEXT,
    },
    Call {
        languages: &[Python],
        rule: "call.python-import",
        title: "Python loads a module by a computed name (__import__).",
        pattern: r"(?:^|[^.\w])(__import__\s*\()",
        remedy: "Import by name, or through importlib with a list of what is allowed.",
    },
    Call {
        languages: &[Python],
        rule: "call.python-subprocess",
        title: "Python starts another program (subprocess).",
        pattern: r"\b(subprocess\.(?:run|call|Popen|check_call|check_output|getoutput|getstatusoutput)\s*\(|asyncio\.create_subprocess_(?:exec|shell)\s*\(|from\s+subprocess\s+import\b)",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Python],
        rule: "call.python-os-system",
        title: "Python runs a shell command (os.system).",
        pattern: r"\b(os\.system\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Python],
        rule: "call.python-os-popen",
        title: "Python runs a shell command (os.popen).",
        pattern: r"\b(os\.popen\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Python],
        rule: "call.python-pickle",
        title: "Python loads objects that may run code (pickle).",
        pattern: r"\b((?:pickle|cPickle|dill|joblib)\.loads?\s*\(|yaml\.(?:unsafe_load|full_load)\s*\()",
        remedy: LOADS_OBJECTS,
    },
    Call {
        languages: JS,
        rule: "call.javascript-eval",
        title: "JavaScript runs text as code (eval).",
        pattern: r"(?:^|[^.\w$]|\b(?:window|globalThis|self)\.)(eval\s*\()",
        remedy: RUNS_TEXT,
    },
    Call {
        languages: JS,
        rule: "call.javascript-function",
        title: "JavaScript builds a function from text (new Function).",
        pattern: r"\b(new\s+Function\s*\()",
        remedy: RUNS_TEXT,
    },
    Call {
        languages: JS,
        rule: "call.javascript-child-process",
        title: "JavaScript starts another program (child_process).",
        pattern: r#"((?:require|import)\s*\(?\s*["'](?:node:)?child_process["']|from\s+["'](?:node:)?child_process["'])"#,
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: JS,
        rule: "call.javascript-vm",
        title: "JavaScript runs text as code (vm).",
        pattern: r"\b(vm\.(?:runIn(?:New|This)?Context|compileFunction)\s*\(|new\s+vm\.Script\s*\()",
        remedy: "The vm module is no sandbox; run foreign code in a process of its own.",
    },
    Call {
        languages: &[Php],
        rule: "call.php-eval",
        title: "PHP runs text as code (eval).",
        pattern: r"(?i)(?:^|[^\w>:$])(eval\s*\(|create_function\s*\()",
        remedy: RUNS_TEXT,
    },
    Call {
        languages: &[Php],
        rule: "call.php-system",
        title: "PHP runs a shell command.",
        pattern: r"(?i)(?:^|[^\w>:$])((?:system|exec|shell_exec|passthru|popen|proc_open|pcntl_exec)\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Php],
        rule: "call.php-unserialize",
        title: "PHP loads objects that may run code (unserialize).",
        pattern: r"(?i)(?:^|[^\w>:$])(unserialize\s*\()",
        remedy: "Use json_decode, or allow no classes.",
    },
    Call {
        languages: &[Ruby],
        rule: "call.ruby-eval",
        title: "Ruby runs text as code.",
        pattern: r"(?:^|[^.\w:])(eval[\s(]|(?:instance|class|module)_eval\s*\(?\s*[\x22'])",
        remedy: RUNS_TEXT,
    },
    Call {
        languages: &[Ruby],
        rule: "call.ruby-system",
        title: "Ruby starts another program.",
        pattern: r"(?:^|[^.\w:])(system\s*\(|exec\s*\(|%x[\(\{\[]|IO\.popen\s*\(|Open3\.\w+\s*\(|Process\.spawn\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Go],
        rule: "call.go-exec",
        title: "Go starts another program (os/exec).",
        pattern: r"\b(exec\.Command(?:Context)?\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Rust],
        rule: "call.rust-command",
        title: "Rust starts another program.",
        pattern: r"((?:\bprocess::|[^\w:])Command::new\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Java, Kotlin, Scala],
        rule: "call.jvm-process",
        title: "Java starts another program.",
        pattern: r"(\bgetRuntime\s*\(\s*\)\s*\.\s*exec\s*\(|\bProcessBuilder\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Java, Kotlin, Scala],
        rule: "call.jvm-deserialise",
        title: "Java loads objects that may run code (readObject).",
        pattern: r"(\.readObject\s*\(\s*\))",
        remedy: "Use a format that holds data only, such as JSON.",
    },
    Call {
        languages: &[CSharp],
        rule: "call.dotnet-process",
        title: ".NET starts another program.",
        pattern: r"\b(Process\.Start\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[C, Cpp],
        rule: "call.c-system",
        title: "C runs a shell command.",
        pattern: r"(?:^|[^.\w>:])((?:std::)?system\s*\(|popen\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Lua],
        rule: "call.lua-execute",
        title: "Lua runs text or a shell command.",
        pattern: r"\b(os\.execute\s*\(|io\.popen\s*\(|loadstring\s*\()",
        remedy: RUNS_TEXT,
    },
    Call {
        languages: &[Elixir],
        rule: "call.elixir-run",
        title: "Elixir runs text or another program.",
        pattern: r"\b(Code\.eval_(?:string|file)\s*\(|System\.(?:cmd|shell)\s*\(|:os\.cmd\s*\()",
        remedy: RUNS_PROGRAM,
    },
    Call {
        languages: &[Shell],
        rule: "call.shell-eval",
        title: "A shell script runs text as code (eval).",
        pattern: r#"(?:^|[;&|\s])(eval\s+["'$`])"#,
        remedy: RUNS_TEXT,
    },
    Call {
        languages: &[PowerShell],
        rule: "call.powershell-expression",
        title: "PowerShell runs text as code (Invoke-Expression).",
        pattern: r"(?i)(?:^|[^\w-])(invoke-expression\b|iex\s)",
        remedy: RUNS_TEXT,
    },
];

/// Matches of one kind in one window beyond which counting on tells nothing new.
const ENOUGH: usize = 200;

/// The patterns, compiled.
pub(super) struct Detectors(Vec<(Regex, &'static Call)>);

impl Detectors {
    pub fn new() -> Self {
        Self(
            CALLS
                .iter()
                .map(|call| (Regex::new(&format!("(?m-u){}", call.pattern)).expect("a constant, tested"), call))
                .collect(),
        )
    }

    pub fn find(&self, window: &Window<'_>, language: Language, masks: &[Range<usize>], findings: &mut Findings) {
        if crate::inspect::is_vendored(window.path) {
            return;
        }
        for (regex, call) in self.0.iter().filter(|(_, call)| call.languages.contains(&language)) {
            let mut lines = Lines::of(window);
            let calls = regex.captures_iter(window.bytes).filter_map(|found| found.get(1)).map(|found| found.range());
            for span in
                calls.take_while(|span| span.start < window.end).filter(|span| is_code(window.bytes, span, language)).take(ENOUGH)
            {
                findings.push(Finding {
                    severity: Severity::Review,
                    rule: call.rule.to_owned(),
                    title: call.title.to_owned(),
                    path: Some(window.path.to_owned()),
                    line: Some(lines.at(span.start)),
                    excerpt: Some(excerpt(window.bytes, &span, masks)),
                    remedy: call.remedy.to_owned(),
                });
            }
        }
    }
}

/// Neither in a comment nor the definition of something of that name.
fn is_code(bytes: &[u8], span: &Range<usize>, language: Language) -> bool {
    let before = String::from_utf8_lossy(line_before(bytes, span.start));
    let line = before.trim_start();
    let comment = match language {
        Python | Ruby | Shell | PowerShell | Elixir => line.starts_with('#'),
        Lua => line.starts_with("--"),
        Php => line.starts_with(['#', '*']) || line.starts_with("//") || line.starts_with("/*"),
        _ => line.starts_with("//") || line.starts_with('*') || line.starts_with("/*") || line.starts_with("<!--"),
    };
    let definition =
        ["def", "function", "fn", "func", "async", "static", "sub"].contains(&line.split_whitespace().last().unwrap_or_default());
    !comment && !definition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(path: &str, text: &str) -> Vec<(String, u32)> {
        let window = Window { path, bytes: text.as_bytes(), first_line: 1, end: text.len() };
        let mut findings = Findings::default();
        Detectors::new().find(&window, Language::of(path).expect("source"), &[], &mut findings);
        findings.finish().into_iter().map(|f| (f.rule, f.line.unwrap_or(0))).collect()
    }

    #[test]
    fn the_seed_list_is_found_with_its_lines() {
        let text = "import os, subprocess\neval(x)\nexec(y)\nm = __import__(n)\nsubprocess.run(c)\nos.system(c)\nos.popen(c)\n";
        assert_eq!(
            rules("a.py", text),
            [
                ("call.python-eval", 2),
                ("call.python-exec", 3),
                ("call.python-import", 4),
                ("call.python-os-popen", 7),
                ("call.python-os-system", 6),
                ("call.python-subprocess", 5),
            ]
            .map(|(rule, line)| (rule.to_owned(), line))
        );
    }

    #[test]
    fn other_languages_have_their_own() {
        for (path, text, rule) in [
            ("a.ts", "const f = new Function('a', body)", "call.javascript-function"),
            ("a.mjs", "import { spawn } from 'node:child_process'", "call.javascript-child-process"),
            ("a.js", "window.eval(code)", "call.javascript-eval"),
            ("a.php", "<?php system($command);", "call.php-system"),
            ("a.go", "cmd := exec.Command(\"git\", \"log\")", "call.go-exec"),
            ("a.rs", "let out = std::process::Command::new(\"git\");", "call.rust-command"),
            ("a.rb", "  system(\"ls\")", "call.ruby-system"),
            ("a.java", "Runtime.getRuntime().exec(line);", "call.jvm-process"),
            ("a.sh", "eval \"$LINE\"", "call.shell-eval"),
        ] {
            assert_eq!(rules(path, text), [(rule.to_owned(), 1)], "{text}");
        }
    }

    #[test]
    fn what_shares_only_the_name_is_not() {
        for (path, text) in [
            ("a.py", "model.eval()\nself.exec(x)\n# eval(x)\ndef eval(x): ...\nrun_eval(x)\n"),
            ("a.ts", "regex.exec(text)\nredis.eval(script)\n// eval(x)\n * eval(x)\n"),
            ("a.php", "$pdo->exec($sql); DB::system($x); curl_exec($c);"),
            ("node_modules/a/index.js", "eval(x)"),
        ] {
            assert_eq!(rules(path, text), [], "{text}");
        }
    }
}
