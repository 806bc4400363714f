//! Conditions and values as they are written on the command line.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryArray, StringArray, make_array};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Schema};
use weir::error::{Error, ErrorKind, Result};
use weir::scan::{CompareOp, Comparison};

use crate::rows::print::type_in_utc;

/// `COLUMN OPERATOR VALUE`, `COLUMN is null` or `COLUMN is not null`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    column: String,
    op: CompareOp,
    /// Unless the operator is one on nulls.
    value: Option<String>,
}

/// Longer ones first: one must not be taken for the beginning of another.
const OPERATORS: [(&str, CompareOp); 8] = [
    ("<=", CompareOp::LtEq),
    (">=", CompareOp::GtEq),
    ("!=", CompareOp::NotEq),
    ("<>", CompareOp::NotEq),
    ("==", CompareOp::Eq),
    ("=", CompareOp::Eq),
    ("<", CompareOp::Lt),
    (">", CompareOp::Gt),
];

impl Condition {
    /// Reads a condition.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let (column, rest) = split_column(text.trim())?;
        let rest = rest.trim();
        for (name, op) in OPERATORS {
            if let Some(value) = rest.strip_prefix(name) {
                return Ok(Self { column, op, value: Some(read_value(value.trim())?) });
            }
        }
        let words: Vec<String> = rest.split_whitespace().map(str::to_lowercase).collect();
        let op = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["is", "null"] => CompareOp::IsNull,
            ["is", "not", "null"] => CompareOp::IsNotNull,
            [] => return Err("an operator is missing: = != < <= > >=, is null, is not null".into()),
            _ => return Err(format!("{rest:?} does not begin with an operator: = != < <= > >=, is null, is not null")),
        };
        Ok(Self { column, op, value: None })
    }

    /// The comparison that it means for rows of `schema`.
    ///
    /// # Errors
    /// `InvalidArgument`: there is no such column, or the value cannot be one of it.
    pub fn comparison(&self, schema: &Schema) -> Result<Comparison> {
        let Self { column, op, value } = self;
        let Ok(field) = schema.field_with_name(column) else {
            let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let message = format!("there is no column '{column}'; there are {}", names.join(", "));
            return Err(Error::new(ErrorKind::InvalidArgument, message));
        };
        let value = value.as_ref().map(|text| values(column, [text], field.data_type())).transpose()?;
        Ok(Comparison { column: column.clone(), op: *op, value })
    }
}

/// The column's name and what is behind it.
fn split_column(text: &str) -> std::result::Result<(String, &str), String> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => unquote(quoted, '"').ok_or("the column's closing quote is missing")?,
        None => {
            let (name, rest) = text.split_at(text.find(|c: char| c.is_whitespace() || "=!<>".contains(c)).unwrap_or(text.len()));
            (name.to_owned(), rest)
        }
    };
    if name.is_empty() { Err("the column is missing: write COLUMN OPERATOR VALUE".into()) } else { Ok((name, rest)) }
}

/// What is in quotes, of which the first was taken off, and what is behind them. Doubled quotes stand for one.
fn unquote(text: &str, quote: char) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let at = rest.find(quote)?;
        name.push_str(&rest[..at]);
        rest = &rest[at + quote.len_utf8()..];
        match rest.strip_prefix(quote) {
            Some(more) => {
                name.push(quote);
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

fn read_value(text: &str) -> std::result::Result<String, String> {
    if let Some(quoted) = text.strip_prefix('\'') {
        return match unquote(quoted, '\'') {
            Some((value, "")) => Ok(value),
            Some((_, rest)) => Err(format!("{rest:?} is behind the value's closing quote; inside of it, a quote is written twice")),
            None => Err("the value's closing quote is missing".into()),
        };
    }
    match text {
        "" => Err("the value is missing; an empty text is written ''".into()),
        null if null.eq_ignore_ascii_case("null") => Err("nothing compares with null: write `is null`, or 'null' for the text".into()),
        text => Ok(text.to_owned()),
    }
}

/// The values of column `name` that `texts` say, as an array of `data_type`.
///
/// # Errors
/// `InvalidArgument`: one of them says none.
pub fn values<T: AsRef<str>>(name: &str, texts: impl IntoIterator<Item = T>, data_type: &DataType) -> Result<ArrayRef> {
    let texts: Vec<T> = texts.into_iter().collect();
    let plain = plain_type(data_type);
    let mut arrays = Vec::with_capacity(texts.len());
    for text in &texts {
        let text = text.as_ref();
        let read = read(text, plain).map_err(|why| {
            let why = if why.is_empty() { why } else { format!(": {why}") };
            Error::new(ErrorKind::InvalidArgument, format!("{text:?} is not a value of column '{name}', which is {plain}{why}"))
        })?;
        arrays.push(read);
    }
    let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    let unusable = |e| Error::new(ErrorKind::Unsupported, format!("column '{name}' of type {data_type} takes no values from here: {e}"));
    let array = arrow_select::concat::concat(&arrays).map_err(unusable)?;
    if array.data_type() == data_type { Ok(array) } else { cast_with_options(&array, data_type, &STRICT).map_err(unusable) }
}

/// The type of the values of an encoded column.
fn plain_type(data_type: &DataType) -> &DataType {
    match data_type {
        DataType::Dictionary(_, values) => plain_type(values),
        DataType::RunEndEncoded(_, values) => plain_type(values.data_type()),
        other => other,
    }
}

/// What cannot be cast is an error, not a null.
const STRICT: CastOptions<'static> = CastOptions { safe: false, format_options: arrow_cast::display::FormatOptions::new() };

fn read(text: &str, data_type: &DataType) -> std::result::Result<ArrayRef, String> {
    let binary = matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_));
    let source: ArrayRef = if binary {
        Arc::new(BinaryArray::from_vec(vec![&hexadecimal(text).ok_or("binary data is written in hexadecimal")?]))
    } else {
        Arc::new(StringArray::from(vec![text]))
    };
    // A zone is named in the text, or it is UTC; the column's own only says how to print it.
    let moment = type_in_utc(data_type);
    let read = cast_with_options(&source, &moment, &STRICT).map_err(|e| reason(&e.to_string()))?;
    if read.is_null(0) {
        return Err(String::new());
    }
    if moment == *data_type {
        return Ok(read);
    }
    let retyped = read.to_data().into_builder().data_type(data_type.clone()).build().map_err(|e| e.to_string())?;
    Ok(make_array(retyped))
}

/// Why a cast failed, where that says more than that it did.
fn reason(text: &str) -> String {
    let text = text.trim_start_matches("Cast error: ").trim_start_matches("Parser error: ");
    if text.starts_with("Cannot cast string") { String::new() } else { text.to_owned() }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    if digits.len() % 2 == 1 {
        return None;
    }
    digits.chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Date32Type, Decimal128Type, Int32Type, TimestampMillisecondType, UInt8Type};
    use arrow_schema::TimeUnit;

    use super::*;

    fn condition(column: &str, op: CompareOp, value: Option<&str>) -> Condition {
        Condition { column: column.into(), op, value: value.map(Into::into) }
    }

    #[test]
    fn conditions_are_read() {
        for (text, column, op, value) in [
            ("id = 5", "id", CompareOp::Eq, Some("5")),
            ("id==5", "id", CompareOp::Eq, Some("5")),
            ("id!=-5", "id", CompareOp::NotEq, Some("-5")),
            (" id <> 5 ", "id", CompareOp::NotEq, Some("5")),
            ("id<5", "id", CompareOp::Lt, Some("5")),
            ("id <= 5", "id", CompareOp::LtEq, Some("5")),
            ("id>5", "id", CompareOp::Gt, Some("5")),
            ("id >= 5", "id", CompareOp::GtEq, Some("5")),
            ("text = two words", "text", CompareOp::Eq, Some("two words")),
            ("text = 'it''s = < '", "text", CompareOp::Eq, Some("it's = < ")),
            ("text = ''", "text", CompareOp::Eq, Some("")),
            ("text = 'null'", "text", CompareOp::Eq, Some("null")),
            ("\"a \"\"b\"\" <c\" > x", "a \"b\" <c", CompareOp::Gt, Some("x")),
            ("straße is null", "straße", CompareOp::IsNull, None),
            ("id IS  NOT NULL", "id", CompareOp::IsNotNull, None),
        ] {
            assert_eq!(Condition::parse(text), Ok(condition(column, op, value)), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_says_why() {
        for (text, why) in [
            ("", "column is missing"),
            ("= 5", "column is missing"),
            ("id", "operator is missing"),
            ("id 5", "does not begin with an operator"),
            ("id like x", "does not begin with an operator"),
            ("id is", "does not begin with an operator"),
            ("id =", "value is missing"),
            ("id = null", "is null"),
            ("id = 'x", "closing quote is missing"),
            ("id = 'x' y", "behind the value's closing quote"),
            ("\"id = 5", "closing quote is missing"),
        ] {
            let said = Condition::parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn values_are_of_the_columns_type() {
        let value = |text: &str, data_type: &DataType| values("x", [text], data_type).unwrap();
        assert_eq!(value("-5", &DataType::Int32).as_primitive::<Int32Type>().value(0), -5);
        assert_eq!(value("1.25", &DataType::Decimal128(9, 2)).as_primitive::<Decimal128Type>().value(0), 125);
        assert!(value("true", &DataType::Boolean).as_boolean().value(0));
        assert_eq!(value("1970-01-11", &DataType::Date32).as_primitive::<Date32Type>().value(0), 10);
        assert_eq!(value(" x ", &DataType::Utf8View).as_string_view().value(0), " x ");
        assert_eq!(value("0x00ff", &DataType::FixedSizeBinary(2)).as_fixed_size_binary().value(0), [0, 255]);
        assert_eq!(value("", &DataType::LargeBinary).as_binary::<i64>().value(0), [0_u8; 0]);
        for (text, zone) in [
            ("1970-01-01T00:00:01.5", Some("Europe/Berlin")),
            ("1970-01-01T01:00:01.5+01:00", Some("UTC")),
            ("1970-01-01 00:00:01.5", None),
        ] {
            let data_type = DataType::Timestamp(TimeUnit::Millisecond, zone.map(Into::into));
            let value = value(text, &data_type);
            assert_eq!((value.data_type(), value.as_primitive::<TimestampMillisecondType>().value(0)), (&data_type, 1500));
        }
        let encoded = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8));
        let dictionary = values("x", ["a", "b", "a"], &encoded).unwrap();
        let dictionary = dictionary.as_dictionary::<UInt8Type>();
        assert_eq!((dictionary.len(), dictionary.values().len()), (3, 2));
    }

    #[test]
    fn what_is_no_value_is_an_error() {
        for (text, data_type) in [
            ("five", DataType::Int32),
            ("5.5", DataType::Int32),
            ("300", DataType::UInt8),
            ("-1", DataType::UInt64),
            ("", DataType::Int64),
            ("yesterday", DataType::Date32),
            ("2026-13-01", DataType::Timestamp(TimeUnit::Second, None)),
            ("maybe", DataType::Boolean),
            ("abc", DataType::Binary),
            ("zz", DataType::Binary),
            ("é0", DataType::Binary),
            ("abcd", DataType::FixedSizeBinary(3)),
        ] {
            let error = values("x", [text], &data_type).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text}: {error}");
            assert!(error.message().contains(&format!("{text:?} is not a value of column 'x'")), "{error}");
        }
    }
}
