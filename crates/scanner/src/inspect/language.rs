//! Languages by file name. Data, markup and settings are not languages here: a package is named after what it is written in.

use serde::{Serialize, Serializer};

macro_rules! languages {
    ($($variant:ident $name:literal [$($extension:literal),*];)*) => {
        /// What a file is written in.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Language { $($variant),* }

        impl Language {
            /// The usual name.
            pub fn name(self) -> &'static str {
                match self { $(Language::$variant => $name),* }
            }

            fn by_extension(extension: &str) -> Option<Self> {
                match extension { $($($extension)|* => Some(Language::$variant),)* _ => None }
            }
        }
    };
}

languages! {
    TypeScript "TypeScript" ["ts", "tsx", "mts", "cts"];
    JavaScript "JavaScript" ["js", "jsx", "mjs", "cjs"];
    Python "Python" ["py", "pyw", "pyi"];
    Rust "Rust" ["rs"];
    Go "Go" ["go"];
    Php "PHP" ["php", "phtml"];
    Ruby "Ruby" ["rb", "erb"];
    Java "Java" ["java"];
    Kotlin "Kotlin" ["kt", "kts"];
    Swift "Swift" ["swift"];
    Dart "Dart" ["dart"];
    CSharp "C#" ["cs", "razor"];
    C "C" ["c", "h"];
    Cpp "C++" ["cpp", "cc", "cxx", "hpp"];
    Vue "Vue" ["vue"];
    Svelte "Svelte" ["svelte"];
    Elixir "Elixir" ["ex", "exs"];
    Scala "Scala" ["scala"];
    Lua "Lua" ["lua"];
    Shell "Shell" ["sh", "bash", "zsh"];
    PowerShell "PowerShell" ["ps1", "psm1"];
    Sql "SQL" ["sql"];
    Html "HTML" ["html", "htm"];
    Css "CSS" ["css", "scss", "sass", "less"];
    Terraform "Terraform" ["tf"];
    Solidity "Solidity" ["sol"];
}

impl Language {
    /// The language of the file at `path`; minified files belong to none.
    pub fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
        let (stem, extension) = name.rsplit_once('.')?;
        if stem.ends_with(".min") { None } else { Self::by_extension(extension) }
    }

    /// Whether it names a stack; the rest only accompanies one.
    pub(super) fn is_general(self) -> bool {
        !matches!(self, Language::Html | Language::Css | Language::Sql | Language::Shell)
    }
}

impl Serialize for Language {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_by_the_last_extension() {
        assert_eq!(Language::of("src/App.test.TSX"), Some(Language::TypeScript));
        assert_eq!(Language::of("Makefile"), None);
        assert_eq!(Language::of("static/jquery.min.js"), None);
        assert_eq!(Language::of("lib.d/data"), None);
    }
}
