//! `$filter`: the part of the language that the fake speaks.

use std::cmp::Ordering;
use std::collections::HashMap;

use rust_decimal::Decimal;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::testkit::dataverse::cell::Cell;
use crate::testkit::dataverse::refusal::{Answer, Refusal};
use crate::testkit::dataverse::schema::{Definition, Kind};
use crate::testkit::dataverse::table::RowRef;

/// A parsed filter.
#[derive(Debug)]
pub(crate) enum Filter {
    And(Box<Self>, Box<Self>),
    Or(Box<Self>, Box<Self>),
    Not(Box<Self>),
    Compare { column: usize, operator: Operator, value: Cell },
    In { column: usize, values: Vec<Cell> },
    Text { column: usize, test: TextTest, value: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum TextTest {
    Contains,
    StartsWith,
    EndsWith,
}

impl Filter {
    /// Reads a filter against a table's columns; `aliases` are the `@p1=...` parameters.
    pub(crate) fn parse(
        text: &str,
        definition: &Definition,
        aliases: &HashMap<String, String>,
    ) -> Answer<Self> {
        let tokens = tokenize(text)?;
        let mut parser = Parser { tokens, at: 0, definition, aliases, depth: 0 };
        let filter = parser.any_of()?;
        match parser.peek() {
            None => Ok(filter),
            Some(token) => Err(syntax(format!("unexpected '{token}'"))),
        }
    }

    pub(crate) fn matches(&self, row: RowRef<'_>) -> bool {
        match self {
            Self::And(a, b) => a.matches(row) && b.matches(row),
            Self::Or(a, b) => a.matches(row) || b.matches(row),
            Self::Not(inner) => !inner.matches(row),
            Self::Compare { column, operator, value } => operator.holds(&row.cell(*column), value),
            Self::In { column, values } => {
                let cell = row.cell(*column);
                values.iter().any(|value| Operator::Eq.holds(&cell, value))
            }
            Self::Text { column, test, value } => match &*row.cell(*column) {
                Cell::Text(text) => test.holds(&text.to_lowercase(), value),
                _ => false,
            },
        }
    }

    /// The earliest moment that `column` can have in a matching row, as far as it is plain.
    pub(crate) fn lower_bound(&self, column: usize) -> Option<OffsetDateTime> {
        self.bound(column, &[Operator::Ge, Operator::Gt, Operator::Eq], Ord::max)
    }

    /// The latest moment that `column` can have in a matching row, as far as it is plain.
    pub(crate) fn upper_bound(&self, column: usize) -> Option<OffsetDateTime> {
        self.bound(column, &[Operator::Le, Operator::Lt, Operator::Eq], Ord::min)
    }

    fn bound(
        &self,
        column: usize,
        operators: &[Operator],
        narrower: fn(OffsetDateTime, OffsetDateTime) -> OffsetDateTime,
    ) -> Option<OffsetDateTime> {
        match self {
            Self::And(a, b) => {
                let (a, b) =
                    (a.bound(column, operators, narrower), b.bound(column, operators, narrower));
                match (a, b) {
                    (Some(a), Some(b)) => Some(narrower(a, b)),
                    (a, b) => a.or(b),
                }
            }
            Self::Compare { column: c, operator, value: Cell::Moment(moment) }
                if *c == column && operators.contains(operator) =>
            {
                Some(*moment)
            }
            _ => None,
        }
    }
}

impl Operator {
    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "eq" => Self::Eq,
            "ne" => Self::Ne,
            "gt" => Self::Gt,
            "ge" => Self::Ge,
            "lt" => Self::Lt,
            "le" => Self::Le,
            _ => return None,
        })
    }

    /// As SQL has it: a comparison with a missing value holds only for `eq null` and `ne`.
    fn holds(self, cell: &Cell, value: &Cell) -> bool {
        let null = (*cell == Cell::Null, *value == Cell::Null);
        match (self, null) {
            (Self::Eq, (a, b)) if a || b => a && b,
            (Self::Ne, (a, b)) if a || b => a != b,
            (_, (false, false)) => self.allows(cell.compare(value)),
            _ => false,
        }
    }

    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
        }
    }
}

impl TextTest {
    fn holds(self, text: &str, value: &str) -> bool {
        match self {
            Self::Contains => text.contains(value),
            Self::StartsWith => text.starts_with(value),
            Self::EndsWith => text.ends_with(value),
        }
    }
}

fn syntax(detail: impl std::fmt::Display) -> Refusal {
    Refusal::bad_query(format!("Syntax error in $filter: {detail}"))
}

/// Splits into words, quoted strings (kept with their opening quote) and signs.
fn tokenize(text: &str) -> Answer<Vec<String>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(&first) = chars.peek() {
        match first {
            ' ' => {
                chars.next();
            }
            '(' | ')' | ',' | '=' => {
                tokens.push(first.to_string());
                chars.next();
            }
            '\'' => tokens.push(quoted(&mut chars)?),
            _ => {
                let mut word = String::new();
                while let Some(c) = chars.next_if(|c| !" (),='".contains(*c)) {
                    word.push(c);
                }
                tokens.push(word);
            }
        }
    }
    Ok(tokens)
}

/// Reads a string in single quotes, where two quotes stand for one.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Answer<String> {
    let mut out = String::from("'");
    chars.next();
    loop {
        match chars.next() {
            Some('\'') if chars.next_if_eq(&'\'').is_some() => out.push('\''),
            Some('\'') => return Ok(out),
            Some(c) => out.push(c),
            None => return Err(syntax("a string is not closed")),
        }
    }
}

struct Parser<'a> {
    tokens: Vec<String>,
    at: usize,
    definition: &'a Definition,
    aliases: &'a HashMap<String, String>,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&str> {
        self.tokens.get(self.at).map(String::as_str)
    }

    fn next(&mut self) -> Answer<String> {
        let token = self.tokens.get(self.at).cloned().ok_or_else(|| syntax("it ends early"))?;
        self.at += 1;
        Ok(token)
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.peek() == Some(word);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, sign: &str) -> Answer<()> {
        if self.take(sign) { Ok(()) } else { Err(syntax(format!("'{sign}' is missing"))) }
    }

    fn any_of(&mut self) -> Answer<Filter> {
        let mut filter = self.all_of()?;
        while self.take("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.all_of()?));
        }
        Ok(filter)
    }

    fn all_of(&mut self) -> Answer<Filter> {
        let mut filter = self.one()?;
        while self.take("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.one()?));
        }
        Ok(filter)
    }

    fn one(&mut self) -> Answer<Filter> {
        self.depth += 1;
        if self.depth > 500 {
            return Err(syntax("it has too many conditions"));
        }
        if self.take("not") {
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        if self.take("(") {
            let inner = self.any_of()?;
            self.expect(")")?;
            return Ok(inner);
        }
        let word = self.next()?;
        match word.as_str() {
            "Microsoft.Dynamics.CRM.In" => self.value_list(),
            "contains" => self.text_test(TextTest::Contains),
            "startswith" => self.text_test(TextTest::StartsWith),
            "endswith" => self.text_test(TextTest::EndsWith),
            column => self.comparison(column),
        }
    }

    fn column(&self, name: &str) -> Answer<usize> {
        let unknown = || Refusal::unknown_column(&self.definition.logical_name, name);
        self.definition.readable(name).ok_or_else(unknown)
    }

    fn comparison(&mut self, column: &str) -> Answer<Filter> {
        let column = self.column(column)?;
        let word = self.next()?;
        let operator =
            Operator::named(&word).ok_or_else(|| syntax(format!("'{word}' is no operator")))?;
        let literal = self.next()?;
        let value = literal_value(&self.definition.columns[column].kind, &literal)?;
        let orders = !matches!(operator, Operator::Eq | Operator::Ne);
        if orders && (value.id().is_some() || value == Cell::Null) {
            return Err(syntax("the fake does not order ids or null, as Dataverse may not"));
        }
        Ok(Filter::Compare { column, operator, value })
    }

    fn text_test(&mut self, test: TextTest) -> Answer<Filter> {
        self.expect("(")?;
        let column = self.next()?;
        let column = self.column(&column)?;
        self.expect(",")?;
        let literal = self.next()?;
        self.expect(")")?;
        match literal_value(&self.definition.columns[column].kind, &literal)? {
            Cell::Text(value) => Ok(Filter::Text { column, test, value: value.to_lowercase() }),
            _ => Err(syntax("a text function needs a text column")),
        }
    }

    /// `In(PropertyName=@p1,PropertyValues=@p2)`, its values in place or as aliases.
    fn value_list(&mut self) -> Answer<Filter> {
        self.expect("(")?;
        let name = self.argument("PropertyName")?;
        self.expect(",")?;
        let values = self.argument("PropertyValues")?;
        self.expect(")")?;
        let name = name.trim_matches('\'');
        // `In` takes logical names as well as the names of lookup values.
        let column = match self.definition.column(name) {
            Some(column) => column,
            None => self.column(name)?,
        };
        let kind = &self.definition.columns[column].kind;
        let values = list_items(&values)?;
        let values = values.iter().map(|text| {
            Cell::parse(kind, text).ok_or_else(|| syntax(format!("'{text}' does not fit {name}")))
        });
        Ok(Filter::In { column, values: values.collect::<Answer<_>>()? })
    }

    fn argument(&mut self, name: &str) -> Answer<String> {
        self.expect(name)?;
        self.expect("=")?;
        let value = self.next()?;
        if !value.starts_with('@') {
            return Ok(value);
        }
        self.aliases.get(&value).cloned().ok_or_else(|| syntax(format!("{value} is not given")))
    }
}

/// The items of `['a','b']` or `["a","b"]`.
fn list_items(text: &str) -> Answer<Vec<String>> {
    let json = text.replace('\'', "\"");
    serde_json::from_str(&json).map_err(|_| syntax("PropertyValues is no list of strings"))
}

/// The value of a literal, which has to fit the column as Dataverse demands it.
fn literal_value(kind: &Kind, literal: &str) -> Answer<Cell> {
    if literal == "null" {
        return Ok(Cell::Null);
    }
    let wrong = || syntax(format!("'{literal}' does not fit the type of the column"));
    if let Some(text) = literal.strip_prefix('\'') {
        // A quoted GUID or date is refused: those stand without quotes.
        return match kind {
            Kind::Text => Ok(Cell::Text(text.to_owned())),
            _ => Err(wrong()),
        };
    }
    match kind {
        Kind::Text => Err(wrong()),
        Kind::Guid | Kind::Lookup(_) => literal
            .parse::<Uuid>()
            .ok()
            .filter(|_| literal.len() == 36)
            .map(Cell::Guid)
            .ok_or_else(wrong),
        Kind::Int | Kind::Choice | Kind::Money | Kind::Decimal => {
            Decimal::from_str_exact(literal).map(Cell::Decimal).map_err(|_| wrong())
        }
        Kind::Bool | Kind::Moment | Kind::Day => Cell::parse(kind, literal).ok_or_else(wrong),
    }
}
