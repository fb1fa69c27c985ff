//! The s-expressions of a `.wat` file, as far as they are needed to take one apart.

use std::ops::Range;

use crate::Broken;

/// One `(…)` that stands in no other.
pub(crate) struct Form {
    /// Where it is in the text, parentheses included.
    pub(crate) span: Range<usize>,
    /// Its first word, such as `func`.
    pub(crate) head: String,
    /// Its name with the `$`, where it has one.
    pub(crate) id: Option<String>,
    /// The `(export "…")` right inside it: what, and where.
    pub(crate) exports: Vec<(String, Range<usize>)>,
    /// Every string in it, quotes not included.
    pub(crate) strings: Vec<Range<usize>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Open,
    Close,
    Word,
    Text,
}

struct Token {
    kind: Kind,
    span: Range<usize>,
}

/// Takes `text` apart.
pub(crate) fn forms(text: &str) -> Result<Vec<Form>, Broken> {
    let mut forms = Vec::new();
    let (mut depth, mut begun) = (0_usize, 0);
    let tokens = tokens(text)?;
    for (at, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => {
                if depth == 0 {
                    begun = at;
                }
                depth += 1;
            }
            Kind::Close if depth == 0 => return Err(Broken::at(text, token.span.start, "a `)` too many")),
            Kind::Close => {
                depth -= 1;
                if depth == 0 {
                    forms.push(form(text, &tokens[begun..=at]));
                }
            }
            _ if depth == 0 => {
                return Err(Broken::at(text, token.span.start, "this stands in no parentheses"));
            }
            _ => {}
        }
    }
    if depth > 0 {
        return Err(Broken::at(text, tokens[begun].span.start, "this `(` is not closed"));
    }
    Ok(forms)
}

fn form(text: &str, tokens: &[Token]) -> Form {
    let word = |at: usize| tokens.get(at).filter(|token| token.kind == Kind::Word);
    let word = |at: usize| word(at).map_or("", |token| &text[token.span.clone()]);
    let mut exports = Vec::new();
    let mut depth = 0;
    for at in 0..tokens.len() {
        match tokens[at].kind {
            Kind::Open => depth += 1,
            Kind::Close => depth -= 1,
            Kind::Word if depth == 2 && word(at) == "export" && tokens[at + 1].kind == Kind::Text => {
                let name = text[inside(&tokens[at + 1].span)].to_owned();
                exports.push((name, tokens[at - 1].span.start..tokens[at + 2].span.end));
            }
            _ => {}
        }
    }
    Form {
        span: tokens[0].span.start..tokens[tokens.len() - 1].span.end,
        head: word(1).to_owned(),
        id: Some(word(2)).filter(|word| word.starts_with('$')).map(str::to_owned),
        exports,
        strings: tokens
            .iter()
            .filter(|token| token.kind == Kind::Text)
            .map(|token| inside(&token.span))
            .collect(),
    }
}

fn inside(quoted: &Range<usize>) -> Range<usize> {
    quoted.start + 1..quoted.end - 1
}

fn tokens(text: &str) -> Result<Vec<Token>, Broken> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b';' if bytes[at..].starts_with(b";;") => {
                at += bytes[at..].iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len() - at);
                continue;
            }
            b'(' if bytes[at..].starts_with(b"(;") => {
                return Err(Broken::at(text, at, "comments begin with `;;` here"));
            }
            b'(' => {
                at += 1;
                Kind::Open
            }
            b')' => {
                at += 1;
                Kind::Close
            }
            b'"' => {
                at += 1;
                while *bytes.get(at).ok_or_else(|| Broken::at(text, start, "this string does not end"))?
                    != b'"'
                {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                Kind::Text
            }
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ => {
                let ends = |byte: &u8| byte.is_ascii_whitespace() || b"();\"".contains(byte);
                at += bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at).max(1);
                Kind::Word
            }
        };
        tokens.push(Token { kind, span: start..at });
    }
    Ok(tokens)
}
