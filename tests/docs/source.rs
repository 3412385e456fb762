//! Reads Rust sources as far as the references need: structs with their keys, defaults and comments, enums, closed lists.
use super::pages::read;
use std::collections::BTreeMap;
use syn::parse::{Parse, ParseStream};
use syn::visit::Visit;
use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, LitStr, PathArguments, Token, Type};

/// A key of a table: a field that serde reads.
pub struct Key {
    pub name: String,
    pub doc: String,
    /// The type without `Option`, `Vec` and the like around it.
    pub kind: String,
    /// What stands for it where it is left out, as far as the code says; nothing where it must be written.
    pub default: Option<String>,
}

/// A table: a struct that serde reads.
pub struct Table {
    pub doc: String,
    pub keys: Vec<Key>,
}

/// A word of a closed list, and what it means.
pub struct Word {
    pub name: String,
    pub doc: String,
}

/// What one file holds.
pub struct Source {
    path: String,
    file: syn::File,
}

impl Source {
    pub fn of(path: &str) -> Source {
        Source { path: path.to_owned(), file: syn::parse_file(&read(path)).unwrap_or_else(|e| panic!("{path}: {e}")) }
    }

    /// The names of the structs of which serde refuses unknown keys: each is written by hand in some file.
    pub fn tables(&self) -> Vec<String> {
        let strict = |item: &Item| match item {
            Item::Struct(s) => {
                let serde = serde(&s.attrs);
                (serde.contains_key("deny_unknown_fields") || serde.contains_key("remote")).then(|| s.ident.to_string())
            }
            _ => None,
        };
        self.file.items.iter().filter_map(strict).collect()
    }

    /// The struct of that name as a table.
    pub fn table(&self, name: &str) -> Table {
        let find = |item: &'_ Item| matches!(item, Item::Struct(s) if s.ident == name);
        let Some(Item::Struct(found)) = self.file.items.iter().find(|item| find(item)) else {
            panic!("{}: no struct {name}", self.path);
        };
        let whole = serde(&found.attrs);
        let defaults = if whole.contains_key("default") { self.defaults_of(name) } else { BTreeMap::new() };
        let Fields::Named(fields) = &found.fields else { panic!("{name} has no named fields") };
        let key = |field: &syn::Field| {
            let serde = serde(&field.attrs);
            let written = field.ident.as_ref().expect("a named field").to_string();
            let written = written.trim_start_matches("r#").to_owned();
            let (outer, kind) = innermost(&field.ty);
            let default = match serde.get("default") {
                Some(Some(function)) => Some(self.returned_by(function)),
                Some(None) => Some(self.default_of(&outer, &kind)),
                None if outer == "Option" => Some("none".to_owned()),
                None => defaults.get(&written).cloned(),
            };
            let name = serde.get("rename").cloned().flatten().unwrap_or(written);
            Key { name, doc: doc(&field.attrs), kind, default }
        };
        let flat = |field: &&syn::Field| !serde(&field.attrs).contains_key("flatten");
        Table { doc: doc(&found.attrs), keys: fields.named.iter().filter(flat).map(key).collect() }
    }

    /// The words of an enum, by the names that serde gives them; nothing where there is no such enum.
    pub fn words(&self, name: &str) -> Option<Vec<Word>> {
        let found = self.file.items.iter().find_map(|item| match item {
            Item::Enum(e) if e.ident == name => Some(e),
            _ => None,
        })?;
        let renamed = serde(&found.attrs).get("rename_all").cloned().flatten();
        let plain = found.variants.iter().all(|v| matches!(v.fields, Fields::Unit));
        let word =
            |v: &syn::Variant| Word { name: cased(&v.ident.to_string(), renamed.as_deref()), doc: doc(&v.attrs) };
        plain.then(|| found.variants.iter().map(word).collect())
    }

    /// The variants of an enum, in snake_case, whatever they hold.
    pub fn variants(&self, name: &str) -> Vec<Word> {
        let found = self.file.items.iter().find_map(|item| match item {
            Item::Enum(e) if e.ident == name => Some(e),
            _ => None,
        });
        let found = found.unwrap_or_else(|| panic!("{}: no enum {name}", self.path));
        let word =
            |v: &syn::Variant| Word { name: cased(&v.ident.to_string(), Some("snake_case")), doc: doc(&v.attrs) };
        found.variants.iter().map(word).collect()
    }

    /// The words of `closed!(Name { Variant = "word", })`.
    pub fn closed(&self, name: &str) -> Option<Vec<Word>> {
        self.file.items.iter().find_map(|item| match item {
            Item::Macro(m) if m.mac.path.segments.last()?.ident == "closed" => {
                let list: Closed = m.mac.parse_body().unwrap_or_else(|e| panic!("{}: {e}", self.path));
                (list.name == name).then_some(list.words)
            }
            _ => None,
        })
    }

    /// What a macro of that name holds: `Variant = "word" …`, up to the next semicolon each.
    pub fn listed(&self, name: &str) -> Vec<Word> {
        let found = self.file.items.iter().find_map(|item| match item {
            Item::Macro(m) if m.mac.path.is_ident(name) => Some(m.mac.parse_body::<Listed>()),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("{}: no {name}!", self.path)).unwrap_or_else(|e| panic!("{}: {e}", self.path)).0
    }

    /// Every text of a list of texts in it, its tests left out.
    pub fn lists_of_texts(&self) -> Vec<Vec<String>> {
        struct Lists(Vec<Vec<String>>);
        impl<'ast> Visit<'ast> for Lists {
            fn visit_expr_array(&mut self, array: &'ast syn::ExprArray) {
                let text = |e: &Expr| match e {
                    Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
                    _ => None,
                };
                self.0.extend(array.elems.iter().map(text).collect::<Option<Vec<_>>>());
                syn::visit::visit_expr_array(self, array);
            }
            fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}
        }
        let mut lists = Lists(Vec::new());
        lists.visit_file(&self.file);
        lists.0
    }

    /// The comment at the file's head.
    pub fn head(&self) -> String {
        doc_lines(&self.file.attrs).join("\n")
    }

    /// For each field what `impl Default for NAME` gives it.
    fn defaults_of(&self, name: &str) -> BTreeMap<String, String> {
        let is_it = |i: &&syn::ItemImpl| {
            let of = i.trait_.as_ref().is_some_and(|(_, path, _)| path.is_ident("Default"));
            of && matches!(&*i.self_ty, Type::Path(p) if p.path.is_ident(name))
        };
        let impls = self.file.items.iter().filter_map(|item| match item {
            Item::Impl(i) => Some(i),
            _ => None,
        });
        #[derive(Default)]
        struct Given(BTreeMap<String, String>);
        impl<'ast> Visit<'ast> for Given {
            fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
                if let syn::Member::Named(name) = &field.member {
                    self.0.insert(name.to_string(), value(&field.expr));
                }
            }
        }
        let mut given = Given::default();
        impls.filter(is_it).for_each(|i| given.visit_item_impl(i));
        given.0
    }

    /// What a function without arguments returns.
    fn returned_by(&self, function: &str) -> String {
        let last = self.file.items.iter().find_map(|item| match item {
            Item::Fn(f) if f.sig.ident == function => f.block.stmts.last(),
            _ => None,
        });
        match last {
            Some(syn::Stmt::Expr(expr, _)) => value(expr),
            _ => panic!("{}: no function {function} that ends with a value", self.path),
        }
    }

    /// What `Default` makes of a type.
    fn default_of(&self, outer: &str, kind: &str) -> String {
        match (outer, kind) {
            ("", "bool") => "`false`".into(),
            ("", "u8" | "u16" | "u32" | "u64" | "usize") => "0".into(),
            // of an enum of another file, whoever asks knows where that is
            ("", _) => self.first(kind).filter(|word| word != "`None`").unwrap_or_else(|| "none".into()),
            _ => "none".into(),
        }
    }

    /// The word of an enum that is its default.
    pub fn first(&self, name: &str) -> Option<String> {
        let found = self.file.items.iter().find_map(|item| match item {
            Item::Enum(e) if e.ident == name => Some(e),
            _ => None,
        })?;
        let renamed = serde(&found.attrs).get("rename_all").cloned().flatten();
        let chosen = found.variants.iter().find(|v| v.attrs.iter().any(|a| a.path().is_ident("default")))?;
        Some(format!("`{}`", cased(&chosen.ident.to_string(), renamed.as_deref())))
    }
}

struct Closed {
    name: String,
    words: Vec<Word>,
}

impl Parse for Closed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Closed> {
        Attribute::parse_outer(input)?;
        let name = input.parse::<syn::Ident>()?.to_string();
        let inside;
        syn::braced!(inside in input);
        let mut words = Vec::new();
        while !inside.is_empty() {
            words.push(word(&inside)?);
            inside.parse::<Token![,]>()?;
        }
        Ok(Closed { name, words })
    }
}

struct Listed(Vec<Word>);

impl Parse for Listed {
    fn parse(input: ParseStream<'_>) -> syn::Result<Listed> {
        let mut words = Vec::new();
        while !input.is_empty() {
            words.push(word(input)?);
            while !input.peek(Token![;]) {
                input.step(|at| Ok(((), at.token_tree().ok_or_else(|| at.error("no `;`"))?.1)))?;
            }
            input.parse::<Token![;]>()?;
        }
        Ok(Listed(words))
    }
}

/// `/// What it means` `Variant = "word"`
fn word(input: ParseStream<'_>) -> syn::Result<Word> {
    let attributes = Attribute::parse_outer(input)?;
    input.parse::<syn::Ident>()?;
    input.parse::<Token![=]>()?;
    Ok(Word { name: input.parse::<LitStr>()?.value(), doc: doc(&attributes) })
}

/// `#[serde(…)]`: each word with its value, where it has one.
fn serde(attributes: &[Attribute]) -> BTreeMap<String, Option<String>> {
    let mut found = BTreeMap::new();
    for attribute in attributes.iter().filter(|a| a.path().is_ident("serde")) {
        let read = attribute.parse_nested_meta(|meta| {
            let name = meta.path.get_ident().expect("serde's words are single").to_string();
            let value = match meta.value() {
                Ok(value) => Some(value.parse::<LitStr>()?.value()),
                Err(_) => None,
            };
            found.insert(name, value);
            Ok(())
        });
        read.expect("what compiles can be read");
    }
    found
}

fn doc_lines(attributes: &[Attribute]) -> Vec<String> {
    let text = |a: &Attribute| match &a.meta {
        syn::Meta::NameValue(m) if m.path.is_ident("doc") => match &m.value {
            Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim_start().to_owned()),
            _ => None,
        },
        _ => None,
    };
    attributes.iter().filter_map(text).collect()
}

/// The comment in one line a paragraph, with links to code as names.
fn doc(attributes: &[Attribute]) -> String {
    let link = regex::Regex::new(r"\[`(?:[A-Za-z_]+::)*([^`\]]+)`\]").expect("the pattern is right");
    let lines = doc_lines(attributes);
    let paragraphs = lines.split(|line| line.is_empty()).map(|p| p.join(" "));
    link.replace_all(&paragraphs.collect::<Vec<_>>().join("\n\n"), "`$1`").trim().to_owned()
}

/// The outermost of `Option`, `Vec` and the like, and the type inside all of them.
fn innermost(of: &Type) -> (String, String) {
    let Type::Path(path) = of else { return (String::new(), String::new()) };
    let last = path.path.segments.last().expect("a path has a segment");
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return (String::new(), last.ident.to_string());
    };
    let types = arguments.args.iter().filter_map(|a| match a {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    });
    let inner = types.last().map(innermost).unwrap_or_default();
    (last.ident.to_string(), inner.1)
}

/// A value as an operator would write it: its texts and numbers, or the last name of a path.
fn value(expr: &Expr) -> String {
    #[derive(Default)]
    struct Literals(Vec<String>);
    impl<'ast> Visit<'ast> for Literals {
        fn visit_lit(&mut self, lit: &'ast Lit) {
            self.0.push(match lit {
                Lit::Str(text) => format!("`{}`", text.value()),
                Lit::Int(number) => number.base10_digits().to_owned(),
                Lit::Float(number) => number.base10_digits().to_owned(),
                Lit::Bool(truth) => format!("`{}`", truth.value),
                _ => panic!("a default of a kind that is not known"),
            });
        }
    }
    let mut literals = Literals::default();
    literals.visit_expr(expr);
    match (literals.0.is_empty(), expr) {
        (false, _) => literals.0.join(", "),
        (true, Expr::Path(path)) if !path.path.is_ident("None") => {
            let last = path.path.segments.last().expect("a path has a segment").ident.to_string();
            format!("`{}`", cased(&last, Some("snake_case")))
        }
        _ => "none".to_owned(),
    }
}

/// A variant's name as serde writes it.
fn cased(name: &str, rule: Option<&str>) -> String {
    let between = match rule {
        Some("snake_case") => "_",
        Some("kebab-case") => "-",
        None => return name.to_owned(),
        Some(other) => panic!("no test knows {other}"),
    };
    let mut out = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !out.is_empty() {
            out.push_str(between);
        }
        out.extend(c.to_lowercase());
    }
    out
}
