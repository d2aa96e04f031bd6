//! Reads the parenthesised wire form: numbers, NIL, quoted strings, literals, lists. Nothing else is let through.

/// One value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wire {
    Nil,
    Number(u64),
    Text(Vec<u8>),
    List(Vec<Wire>),
}

impl Wire {
    /// Reads all of it.
    pub fn parse(octets: &[u8]) -> Self {
        let mut rest = octets;
        let mut open: Vec<Vec<Wire>> = Vec::new();
        loop {
            let mut value = match rest[0] {
                b'(' => {
                    open.push(Vec::new());
                    rest = &rest[1..];
                    continue;
                }
                b'"' => quoted(&mut rest),
                b'{' => literal(&mut rest),
                b'0'..=b'9' => Self::Number(number(&mut rest)),
                _ => {
                    rest = rest.strip_prefix(b"NIL").expect("a value");
                    Self::Nil
                }
            };
            loop {
                let Some(list) = open.last_mut() else {
                    assert!(rest.is_empty(), "octets behind the end");
                    return value;
                };
                list.push(value);
                match rest.first().expect("a closing parenthesis") {
                    b')' => {
                        rest = &rest[1..];
                        value = Self::List(open.pop().unwrap());
                    }
                    b' ' => {
                        rest = &rest[1..];
                        break;
                    }
                    // Parts and addresses stand side by side.
                    b'(' if matches!(list.last(), Some(Self::List(_))) => break,
                    other => panic!("{} within a list", char::from(*other)),
                }
            }
        }
    }

    pub fn list(&self) -> &[Wire] {
        match self {
            Self::List(list) => list,
            Self::Nil => &[],
            other => panic!("no list: {other:?}"),
        }
    }

    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn quoted(rest: &mut &[u8]) -> Wire {
    let mut text = Vec::new();
    let mut at = 1;
    while rest[at] != b'"' {
        if rest[at] == b'\\' {
            at += 1;
            assert!(
                matches!(rest[at], b'"' | b'\\'),
                "only specials are escaped"
            );
        }
        assert!(rest[at].is_ascii() && !b"\r\n\0".contains(&rest[at]));
        text.push(rest[at]);
        at += 1;
    }
    *rest = &rest[at + 1..];
    Wire::Text(text)
}

fn literal(rest: &mut &[u8]) -> Wire {
    *rest = &rest[1..];
    let size = usize::try_from(number(rest)).unwrap();
    let content = rest.strip_prefix(b"}\r\n").expect("the head of a literal");
    let (text, tail) = content.split_at(size);
    assert!(!text.contains(&0), "no literal holds NUL");
    *rest = tail;
    Wire::Text(text.to_vec())
}

fn number(rest: &mut &[u8]) -> u64 {
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (number, tail) = rest.split_at(digits);
    *rest = tail;
    std::str::from_utf8(number).unwrap().parse().unwrap()
}
