//! Formulas of driver files: numbers, dates, names and a few functions. Bounded, no loops.

use jiff::{Span, civil};
use rust_decimal::{Decimal, RoundingStrategy};

/// Longest formula, in tokens.
const MAX_TOKENS: usize = 512;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// A value in a formula; `None` stands for one that is not there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    /// A number; truth is 1, falsehood 0.
    Number(Decimal),
    /// A date and time of the meter's clock.
    Time(civil::DateTime),
    /// A text.
    Text(String),
}

impl Term {
    pub(super) const fn number(&self) -> Option<Decimal> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    const fn time(&self) -> Option<civil::DateTime> {
        match self {
            Self::Time(time) => Some(*time),
            _ => None,
        }
    }
}

/// A formula that was read.
#[derive(Clone, Debug)]
pub(super) enum Expression {
    Number(Decimal),
    Text(String),
    Name(String),
    Negated(Box<Self>),
    Binary(Operator, Box<Self>, Box<Self>),
    Call(Function, Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    LessEqual,
    GreaterEqual,
    Less,
    Greater,
    BitOr,
    BitXor,
    BitAnd,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    /// `if(condition, then, else)`.
    If,
    /// `floor(x)`.
    Floor,
    /// `sqrt(x)`.
    Sqrt,
    /// `bcd(x)`: hex digits as decimal ones.
    Bcd,
    /// `date(year, month, day)`; none when there is no such day.
    Date,
    /// `time(year, month, day, hour, minute, second)`.
    Time,
    /// `seconds(n)`: that many seconds after the year 2000 began.
    Seconds,
    /// `add_months(time, n)`; the end of a month stays one.
    AddMonths,
    /// `add_hours(time, n)`.
    AddHours,
    /// `month_end(time)`: the last day of its month.
    MonthEnd,
    /// `pick(index, first, second, …)`.
    Pick,
    /// `or(first, second, …)`: the first that is there.
    Or,
    /// `letter(n)`: @, A, B …
    Letter,
    /// `digits(x, n)`: at least n digits.
    Digits,
    /// `join(first, second, …)`: texts one after the other.
    Join,
    /// `list(first, second, …)`: texts that are not empty, with commas between.
    List,
}

/// A formula that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the formula {formula:?} cannot be read at {at:?}")]
pub struct FormulaError {
    /// The formula.
    pub formula: String,
    /// The token where reading stopped.
    pub at: String,
}

impl Expression {
    pub(super) fn parse(formula: &str) -> Result<Self, FormulaError> {
        let error = |at: &str| FormulaError {
            formula: formula.to_owned(),
            at: at.to_owned(),
        };
        let tokens = tokens(formula).ok_or_else(|| error("its characters"))?;
        if tokens.len() > MAX_TOKENS {
            return Err(error("its end, being too long"));
        }
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
        };
        match parser.binary(0, 0) {
            Some(expression) if parser.at == tokens.len() => Ok(expression),
            _ => Err(error(
                tokens.get(parser.at).map_or("its end", String::as_str),
            )),
        }
    }

    /// Every name in the formula.
    pub(super) fn names(&self, take: &mut dyn FnMut(&str)) {
        match self {
            Self::Number(_) | Self::Text(_) => {}
            Self::Name(name) => take(name),
            Self::Negated(inner) => inner.names(take),
            Self::Binary(_, left, right) => {
                left.names(take);
                right.names(take);
            }
            Self::Call(_, arguments) => arguments.iter().for_each(|it| it.names(take)),
        }
    }

    /// The value, names being looked up; `None` when one that is needed is not there.
    pub(super) fn evaluate(&self, lookup: &dyn Fn(&str) -> Option<Term>) -> Option<Term> {
        match self {
            Self::Number(number) => Some(Term::Number(*number)),
            Self::Text(text) => Some(Term::Text(text.clone())),
            Self::Name(name) => lookup(name),
            Self::Negated(inner) => {
                let number = inner.evaluate(lookup)?.number()?;
                Some(Term::Number(-number))
            }
            Self::Binary(operator, left, right) => {
                binary(*operator, &left.evaluate(lookup)?, &right.evaluate(lookup)?)
            }
            Self::Call(function, arguments) => call(*function, arguments, lookup),
        }
    }
}

fn binary(operator: Operator, left: &Term, right: &Term) -> Option<Term> {
    if let (Term::Text(left), Term::Text(right)) = (left, right) {
        return match operator {
            Operator::Equal => truth(left == right),
            Operator::NotEqual => truth(left != right),
            _ => None,
        };
    }
    let (left, right) = (left.number()?, right.number()?);
    let integers = || Some((integer(left)?, integer(right)?));
    let number = match operator {
        Operator::Or => return truth(!left.is_zero() || !right.is_zero()),
        Operator::And => return truth(!left.is_zero() && !right.is_zero()),
        Operator::Equal => return truth(left == right),
        Operator::NotEqual => return truth(left != right),
        Operator::LessEqual => return truth(left <= right),
        Operator::GreaterEqual => return truth(left >= right),
        Operator::Less => return truth(left < right),
        Operator::Greater => return truth(left > right),
        Operator::BitOr => whole(integers().map(|(a, b)| a | b)?),
        Operator::BitXor => whole(integers().map(|(a, b)| a ^ b)?),
        Operator::BitAnd => whole(integers().map(|(a, b)| a & b)?),
        Operator::ShiftLeft => {
            let (value, by) = integers()?;
            let by = u32::try_from(by).ok().filter(|by| *by < 64)?;
            whole(value.checked_mul(1i64.checked_shl(by)?)?)
        }
        Operator::ShiftRight => {
            let (value, by) = integers()?;
            whole(value.checked_shr(u32::try_from(by).ok()?)?)
        }
        Operator::Add => left.checked_add(right)?,
        Operator::Subtract => left.checked_sub(right)?,
        Operator::Multiply => left.checked_mul(right)?,
        Operator::Divide => left.checked_div(right)?,
        Operator::Remainder => left.checked_rem(right)?,
    };
    Some(Term::Number(number))
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every branch")]
fn truth(is: bool) -> Option<Term> {
    Some(Term::Number(Decimal::from(u8::from(is))))
}

fn whole(integer: i64) -> Decimal {
    Decimal::from(integer)
}

fn integer(number: Decimal) -> Option<i64> {
    i64::try_from(number.trunc()).ok()
}

fn call(
    function: Function,
    arguments: &[Expression],
    lookup: &dyn Fn(&str) -> Option<Term>,
) -> Option<Term> {
    let term = |index: usize| arguments.get(index)?.evaluate(lookup);
    let number = |index: usize| term(index)?.number();
    let small = |index: usize| integer(number(index)?);
    match function {
        Function::If => term(if number(0)?.is_zero() { 2 } else { 1 }),
        Function::Floor => Some(Term::Number(number(0)?.floor())),
        Function::Sqrt => square_root(number(0)?).map(Term::Number),
        Function::Bcd => {
            let digits = format!("{:x}", u64::try_from(small(0)?).ok()?);
            digits.parse().ok().map(Term::Number)
        }
        Function::Date | Function::Time => {
            let mut fields = [0i64; 6];
            for (index, field) in fields.iter_mut().enumerate().take(arguments.len()) {
                *field = small(index)?;
            }
            let [year, month, day, hour, minute, second] = fields;
            let small = |field: i64| i8::try_from(field).ok();
            let date =
                civil::Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()?;
            let time = civil::Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
            Some(Term::Time(date.to_datetime(time)))
        }
        Function::Seconds => shifted(
            civil::DateTime::constant(2000, 1, 1, 0, 0, 0, 0),
            Span::new().try_seconds(small(0)?).ok()?,
        ),
        Function::AddMonths => {
            let time = term(0)?.time()?;
            let shifted = time
                .checked_add(Span::new().try_months(small(1)?).ok()?)
                .ok()?;
            let at_end = time.date() == time.date().last_of_month();
            let date = shifted.date();
            let date = if at_end { date.last_of_month() } else { date };
            Some(Term::Time(date.to_datetime(shifted.time())))
        }
        Function::AddHours => shifted(term(0)?.time()?, Span::new().try_hours(small(1)?).ok()?),
        Function::MonthEnd => {
            let time = term(0)?.time()?;
            Some(Term::Time(
                time.date().last_of_month().to_datetime(time.time()),
            ))
        }
        Function::Pick => term(1 + usize::try_from(small(0)?).ok()?),
        Function::Or => (0..arguments.len()).find_map(term),
        Function::Letter => {
            let code = u8::try_from(small(0)?.checked_add(64)?).ok()?;
            code.is_ascii()
                .then(|| Term::Text(char::from(code).to_string()))
        }
        Function::Digits => {
            let width = usize::try_from(small(1)?)
                .ok()
                .filter(|width| *width <= 20)?;
            Some(Term::Text(format!("{:0width$}", small(0)?)))
        }
        Function::Join => {
            let parts: Option<Vec<String>> = (0..arguments.len())
                .map(|index| match term(index)? {
                    Term::Text(text) => Some(text),
                    Term::Number(number) => Some(number.normalize().to_string()),
                    Term::Time(_) => None,
                })
                .collect();
            parts.map(|parts| Term::Text(parts.concat()))
        }
        Function::List => {
            let texts = (0..arguments.len()).filter_map(|index| match term(index)? {
                Term::Text(text) if !text.is_empty() => Some(text),
                _ => None,
            });
            Some(Term::Text(texts.collect::<Vec<_>>().join(",")))
        }
    }
}

fn shifted(time: civil::DateTime, span: Span) -> Option<Term> {
    time.checked_add(span).ok().map(Term::Time)
}

/// Newton's method; twelve decimals.
fn square_root(number: Decimal) -> Option<Decimal> {
    if number.is_sign_negative() && !number.is_zero() {
        return None;
    }
    if number.is_zero() {
        return Some(Decimal::ZERO);
    }
    let two = Decimal::TWO;
    let mut root = if number > Decimal::ONE {
        number
    } else {
        Decimal::ONE
    };
    for _ in 0..128 {
        let next = root
            .checked_add(number.checked_div(root)?)?
            .checked_div(two)?;
        if (next - root).abs() < Decimal::new(1, 14) {
            root = next;
            break;
        }
        root = next;
    }
    Some(root.round_dp_with_strategy(12, RoundingStrategy::MidpointNearestEven))
}

/// Splits a formula; numbers, names, texts in single quotes and operators.
fn tokens(formula: &str) -> Option<Vec<String>> {
    let characters: Vec<char> = formula.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&first) = characters.get(at) {
        let start = at;
        at += 1;
        let run = |at: &mut usize, fits: fn(char) -> bool| {
            while characters.get(*at).is_some_and(|it| fits(*it)) {
                *at += 1;
            }
        };
        if first.is_whitespace() {
            continue;
        } else if first.is_ascii_digit() {
            run(&mut at, |it| it.is_ascii_alphanumeric() || it == '.');
        } else if first.is_ascii_alphabetic() || first == '_' {
            run(&mut at, |it| it.is_ascii_alphanumeric() || it == '_');
        } else if first == '\'' {
            run(&mut at, |it| it != '\'');
            characters.get(at)?;
            at += 1;
        } else {
            let pair: String = characters
                .get(start..start + 2)
                .unwrap_or_default()
                .iter()
                .collect();
            if ["<<", ">>", "<=", ">=", "==", "!=", "&&", "||"].contains(&pair.as_str()) {
                at += 1;
            } else if !"+-*/%&|^<>(),".contains(first) {
                return None;
            }
        }
        tokens.push(characters.get(start..at)?.iter().collect());
    }
    Some(tokens)
}

struct Parser<'a> {
    tokens: &'a [String],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn take(&mut self, wanted: &str) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Operators that bind at least as tightly as `level`.
    fn binary(&mut self, level: u8, depth: usize) -> Option<Expression> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut left = self.unary(depth)?;
        while let Some((operator, binds)) = self.peek().and_then(operator) {
            if binds < level {
                break;
            }
            self.at += 1;
            let right = self.binary(binds + 1, depth + 1)?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Some(left)
    }

    fn unary(&mut self, depth: usize) -> Option<Expression> {
        let token = self.peek()?.to_owned();
        self.at += 1;
        if depth > MAX_DEPTH {
            return None;
        }
        if token == "-" {
            return Some(Expression::Negated(Box::new(self.unary(depth + 1)?)));
        }
        if token == "(" {
            let inner = self.binary(0, depth + 1)?;
            self.take(")")?;
            return Some(inner);
        }
        let first = token.chars().next()?;
        if first == '\'' {
            return Some(Expression::Text(token.trim_matches('\'').to_owned()));
        }
        if first.is_ascii_digit() {
            let number = match token.strip_prefix("0x") {
                Some(hex) => whole(i64::from_str_radix(hex, 16).ok()?),
                None => token.parse().ok()?,
            };
            return Some(Expression::Number(number));
        }
        if !first.is_ascii_alphabetic() && first != '_' {
            self.at -= 1;
            return None;
        }
        if self.take("(").is_none() {
            return Some(Expression::Name(token));
        }
        let function = function(&token)?;
        let mut arguments = Vec::new();
        loop {
            arguments.push(self.binary(0, depth + 1)?);
            if self.take(",").is_none() {
                break;
            }
        }
        self.take(")")?;
        Some(Expression::Call(function, arguments))
    }
}

fn operator(token: &str) -> Option<(Operator, u8)> {
    use Operator as O;
    Some(match token {
        "||" => (O::Or, 1),
        "&&" => (O::And, 2),
        "==" => (O::Equal, 3),
        "!=" => (O::NotEqual, 3),
        "<=" => (O::LessEqual, 4),
        ">=" => (O::GreaterEqual, 4),
        "<" => (O::Less, 4),
        ">" => (O::Greater, 4),
        "|" => (O::BitOr, 5),
        "^" => (O::BitXor, 6),
        "&" => (O::BitAnd, 7),
        "<<" => (O::ShiftLeft, 8),
        ">>" => (O::ShiftRight, 8),
        "+" => (O::Add, 9),
        "-" => (O::Subtract, 9),
        "*" => (O::Multiply, 10),
        "/" => (O::Divide, 10),
        "%" => (O::Remainder, 10),
        _ => return None,
    })
}

fn function(name: &str) -> Option<Function> {
    use Function as F;
    Some(match name {
        "if" => F::If,
        "floor" => F::Floor,
        "sqrt" => F::Sqrt,
        "bcd" => F::Bcd,
        "date" => F::Date,
        "time" => F::Time,
        "seconds" => F::Seconds,
        "add_months" => F::AddMonths,
        "add_hours" => F::AddHours,
        "month_end" => F::MonthEnd,
        "pick" => F::Pick,
        "or" => F::Or,
        "letter" => F::Letter,
        "digits" => F::Digits,
        "join" => F::Join,
        "list" => F::List,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(formula: &str) -> String {
        let expression = Expression::parse(formula).unwrap();
        let lookup = |name: &str| (name == "x").then(|| Term::Number(Decimal::from(0x2C5Fu16)));
        match expression.evaluate(&lookup) {
            None => "none".to_owned(),
            Some(Term::Number(number)) => number.normalize().to_string(),
            Some(Term::Time(time)) => time.to_string(),
            Some(Term::Text(text)) => text,
        }
    }

    #[test]
    fn formulas() {
        for (formula, want) in [
            ("1 + 2 * 3", "7"),
            ("(1 + 2) * 3 - -1", "10"),
            ("x >> 9", "22"),
            ("(x >> 5) % 16", "2"),
            ("x & 31 | 0x100", "287"),
            ("2000 / 3.6 * 1.8", "1000"),
            ("date(2000 + (x >> 9), (x >> 5) % 16, x % 32)", "none"),
            ("date(2022, 2, 28)", "2022-02-28T00:00:00"),
            ("add_months(date(2022, 3, 31), -1)", "2022-02-28T00:00:00"),
            ("add_months(date(2022, 2, 28), 1)", "2022-03-31T00:00:00"),
            ("seconds(86400)", "2000-01-02T00:00:00"),
            ("if(x > 5 && y == 1, 1, 2)", "none"),
            ("or(y, 3)", "3"),
            ("bcd(0x1234)", "1234"),
            ("sqrt(2)", "1.414213562373"),
            ("join(letter(3), digits(7, 3))", "C007"),
            ("pick(1, 'a', 'b')", "b"),
        ] {
            assert_eq!(shown(formula), want, "{formula}");
        }
        for wrong in ["", "1 +", "f(1)", "(1", "1 2", "$", "'a"] {
            assert!(Expression::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Expression::parse(&"(".repeat(5000)).is_err());
        assert!(Expression::parse(&"-".repeat(500)).is_err());
    }

    proptest! {
        #[test]
        fn no_formula_panics(formula in "[-+*/%&|^<>=!(), a-z0-9.']{0,60}") {
            if let Ok(expression) = Expression::parse(&formula) {
                let _ = expression.evaluate(&|_| Some(Term::Number(Decimal::MAX)));
            }
        }
    }
}
