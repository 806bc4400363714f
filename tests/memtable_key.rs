//! Primary keys: which columns they are, the order of their encoding, and what is refused.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::*;
use arrow_buffer::i256;
use arrow_schema::{DataType, Field, Fields, IntervalUnit, Schema, TimeUnit};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use weir::error::ErrorKind;
use weir::memtable::key::{KeyEncoder, KeySpec, Keys, PRIMARY_KEY, PRIMARY_KEY_POSITION, hash_key};

fn encoder(types: &[DataType]) -> KeyEncoder {
    let fields: Vec<_> = types.iter().enumerate().map(|(n, t)| Field::new(format!("k{n}"), t.clone(), true)).collect();
    let names: Vec<_> = fields.iter().map(|f| f.name().clone()).collect();
    KeyEncoder::new(KeySpec::resolve(&Schema::new(fields), Some(&names)).unwrap().unwrap())
}

fn encode(columns: &[ArrayRef]) -> Keys {
    let types: Vec<_> = columns.iter().map(|c| c.data_type().clone()).collect();
    encoder(&types).encode_arrays(columns).unwrap()
}

/// Checks that keys compare as `order` says of their rows, that none is the beginning of another, and that they decode.
fn check_order(columns: &[ArrayRef], order: impl Fn(usize, usize) -> Ordering) {
    let types: Vec<_> = columns.iter().map(|c| c.data_type().clone()).collect();
    let (encoder, keys) = (encoder(&types), encode(columns));
    assert_eq!(keys.len(), columns[0].len());
    for a in 0..keys.len() {
        for b in 0..keys.len() {
            let (x, y) = (keys.key(a), keys.key(b));
            assert_eq!(x.cmp(y), order(a, b), "{types:?}: rows {a} and {b}: {x:?} {y:?}");
            // PITFALLS I7
            assert!(x == y || !y.starts_with(x), "{types:?}: {x:?} is the beginning of {y:?}");
        }
    }
    let decoded = encoder.decode(keys.iter()).unwrap();
    let again = KeyEncoder::new(KeySpec::resolve(&decoded.schema(), Some(&names(&decoded.schema()))).unwrap().unwrap());
    assert_eq!(again.encode(&decoded).unwrap(), keys, "decoded and encoded again");
    for (column, array) in decoded.columns().iter().zip(columns) {
        if !array.data_type().is_floating() && column.data_type() == array.data_type() {
            assert_eq!(column, array);
        }
    }
}

fn names(schema: &Schema) -> Vec<String> {
    schema.fields().iter().map(|f| f.name().clone()).collect()
}

fn numbers<T: ArrowPrimitiveType>(data_type: DataType, values: Vec<T::Native>, compare: impl Fn(T::Native, T::Native) -> Ordering) {
    let array: ArrayRef = Arc::new(PrimitiveArray::<T>::from_iter_values(values.iter().copied()).with_data_type(data_type));
    check_order(&[array], |a, b| compare(values[a], values[b]));
}

#[test]
fn every_number_keeps_its_order() {
    let mut random = StdRng::seed_from_u64(1);
    macro_rules! integers {
        ($($arrow:ty => $native:ty, [$($data_type:expr),*];)*) => {$($(
            let mut values = vec![<$native>::MIN, <$native>::MIN + 1, 0, 1, 2, 127, <$native>::MAX - 1, <$native>::MAX];
            values.extend((0..40).map(|_| random.random::<i128>() as $native));
            numbers::<$arrow>($data_type, values, |a, b| a.cmp(&b));
        )*)*};
    }
    use TimeUnit::{Microsecond, Millisecond, Nanosecond, Second};
    integers! {
        Int8Type => i8, [DataType::Int8];
        Int16Type => i16, [DataType::Int16];
        Int32Type => i32, [DataType::Int32];
        Int64Type => i64, [DataType::Int64];
        UInt8Type => u8, [DataType::UInt8];
        UInt16Type => u16, [DataType::UInt16];
        UInt32Type => u32, [DataType::UInt32];
        UInt64Type => u64, [DataType::UInt64];
        Date32Type => i32, [DataType::Date32];
        Date64Type => i64, [DataType::Date64];
        Time32SecondType => i32, [DataType::Time32(Second)];
        Time32MillisecondType => i32, [DataType::Time32(Millisecond)];
        Time64MicrosecondType => i64, [DataType::Time64(Microsecond)];
        Time64NanosecondType => i64, [DataType::Time64(Nanosecond)];
        TimestampSecondType => i64, [DataType::Timestamp(Second, None)];
        TimestampMillisecondType => i64, [DataType::Timestamp(Millisecond, None)];
        TimestampMicrosecondType => i64, [DataType::Timestamp(Microsecond, Some("UTC".into()))];
        TimestampNanosecondType => i64, [DataType::Timestamp(Nanosecond, Some("+02:00".into()))];
        DurationSecondType => i64, [DataType::Duration(Second)];
        DurationMillisecondType => i64, [DataType::Duration(Millisecond)];
        DurationMicrosecondType => i64, [DataType::Duration(Microsecond)];
        DurationNanosecondType => i64, [DataType::Duration(Nanosecond)];
        IntervalYearMonthType => i32, [DataType::Interval(IntervalUnit::YearMonth)];
        Decimal32Type => i32, [DataType::Decimal32(9, 2)];
        Decimal64Type => i64, [DataType::Decimal64(18, -3)];
        Decimal128Type => i128, [DataType::Decimal128(38, 10)];
    }
    let mut wide = vec![i256::MIN, i256::MINUS_ONE, i256::ZERO, i256::ONE, i256::MAX];
    wide.extend((0..40).map(|_| i256::from_parts(random.random(), random.random())));
    numbers::<Decimal256Type>(DataType::Decimal256(76, 5), wide, |a, b| a.cmp(&b));
}

#[test]
fn floats_have_one_zero_and_one_not_a_number() {
    fn order<F: PartialOrd + Copy>(is_nan: impl Fn(F) -> bool) -> impl Fn(F, F) -> Ordering {
        move |a, b| a.partial_cmp(&b).unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
    }
    let mut random = StdRng::seed_from_u64(2);
    let special64 =
        [f64::NEG_INFINITY, f64::MIN, -1.5, -f64::MIN_POSITIVE, -0.0, 0.0, 1e-310, 1.5, f64::MAX, f64::INFINITY, f64::NAN, -f64::NAN];
    let values = special64.into_iter().chain((0..60).map(|_| f64::from_bits(random.random()))).collect();
    numbers::<Float64Type>(DataType::Float64, values, order(f64::is_nan));
    let special32 = [f32::NEG_INFINITY, f32::MIN, -0.0, 0.0, 1e-40, f32::MAX, f32::INFINITY, f32::NAN, -f32::NAN];
    let values = special32.into_iter().chain((0..60).map(|_| f32::from_bits(random.random()))).collect();
    numbers::<Float32Type>(DataType::Float32, values, order(f32::is_nan));
    type Half = <Float16Type as ArrowPrimitiveType>::Native;
    let values = (0..200).map(|_| Half::from_bits(random.random())).chain([Half::ZERO, Half::NEG_ZERO, Half::NAN, -Half::NAN]).collect();
    numbers::<Float16Type>(DataType::Float16, values, order(Half::is_nan));
}

/// Short values of few distinct bytes, so that beginnings, zeros and equal values are frequent.
fn values(random: &mut StdRng, count: usize) -> Vec<Vec<u8>> {
    let bytes = [0, 1, 0x7f];
    let mut values: Vec<Vec<u8>> =
        (0..count).map(|_| (0..random.random_range(0..6)).map(|_| bytes[random.random_range(0..bytes.len())]).collect()).collect();
    values.push((0..1000).map(|n| (n % 128) as u8).collect());
    values
}

#[test]
fn strings_and_binary_keep_their_order_in_every_layout() {
    let mut random = StdRng::seed_from_u64(3);
    let values = values(&mut random, 60);
    let text: Vec<&str> = values.iter().map(|v| std::str::from_utf8(v).unwrap()).collect();
    let high: Vec<Vec<u8>> = values.iter().map(|v| v.iter().map(|b| if *b == 0x7f { 0xff } else { *b }).collect()).collect();
    let columns: [ArrayRef; 6] = [
        Arc::new(StringArray::from_iter_values(&text)),
        Arc::new(LargeStringArray::from_iter_values(&text)),
        Arc::new(StringViewArray::from_iter_values(&text)),
        Arc::new(BinaryArray::from_iter_values(&high)),
        Arc::new(LargeBinaryArray::from_iter_values(&high)),
        Arc::new(BinaryViewArray::from_iter_values(&high)),
    ];
    for (n, column) in columns.into_iter().enumerate() {
        check_order(&[column], |a, b| if n < 3 { values[a].cmp(&values[b]) } else { high[a].cmp(&high[b]) });
    }
    let sized: Vec<[u8; 3]> =
        (0..40).map(|_| [random.random_range(0..3), random.random_range(254..=255), random.random_range(0..2)]).collect();
    check_order(&[Arc::new(FixedSizeBinaryArray::try_from_iter(sized.iter()).unwrap())], |a, b| sized[a].cmp(&sized[b]));
    check_order(&[Arc::new(BooleanArray::from(vec![true, false, true]))], |a, b| [true, false, true][a].cmp(&[true, false, true][b]));
}

/// PITFALLS I7
#[test]
fn the_parts_of_a_composite_key_do_not_run_together() {
    let keys = encode(&[Arc::new(StringArray::from(vec!["a", "ab", "a\0", ""])), Arc::new(StringArray::from(vec!["bc", "c", "", "a\0"]))]);
    for a in 0..keys.len() {
        for b in 0..a {
            assert_ne!(keys.key(a), keys.key(b), "rows {a} and {b}");
        }
    }
}

/// PITFALLS I7
#[test]
fn composite_keys_order_by_their_first_column_first() {
    let mut random = StdRng::seed_from_u64(4);
    let text = values(&mut random, 79);
    let rows = text.len();
    let numbers: Vec<i32> = (0..rows).map(|_| random.random_range(-2..2)).collect();
    let flags: Vec<bool> = (0..rows).map(|_| random.random()).collect();
    let strings: ArrayRef = Arc::new(StringArray::from_iter_values(text.iter().map(|v| std::str::from_utf8(v).unwrap())));
    let integers: ArrayRef = Arc::new(Int32Array::from(numbers.clone()));
    let booleans: ArrayRef = Arc::new(BooleanArray::from(flags.clone()));
    check_order(&[strings.clone(), integers.clone(), booleans.clone()], |a, b| {
        (&text[a], numbers[a], flags[a]).cmp(&(&text[b], numbers[b], flags[b]))
    });
    check_order(&[integers.clone(), strings.clone(), strings], |a, b| {
        (numbers[a], &text[a], &text[a]).cmp(&(numbers[b], &text[b], &text[b]))
    });
    check_order(&[booleans, integers], |a, b| (flags[a], numbers[a]).cmp(&(flags[b], numbers[b])));
}

#[test]
fn encoded_columns_have_the_keys_of_their_values() {
    let plain = StringArray::from(vec!["b", "a", "b", "c", "a\0"]);
    let want: Vec<Vec<u8>> = encode(&[Arc::new(plain.clone())]).iter().map(<[u8]>::to_vec).collect();
    let dictionary =
        DictionaryArray::<Int8Type>::try_new(Int8Array::from(vec![1, 0, 1, 2, 3]), Arc::new(StringArray::from(vec!["a", "b", "c", "a\0"])))
            .unwrap();
    let runs = RunArray::<Int16Type>::try_new(&Int16Array::from(vec![1, 2, 3, 4, 5]), &plain).unwrap();
    let numbers = RunArray::<Int64Type>::try_new(&Int64Array::from(vec![2, 5, 6]), &Int32Array::from(vec![7, -1, 9])).unwrap();
    let nested = RunArray::<Int32Type>::try_new(&Int32Array::from(vec![1, 2, 3, 4, 5]), &dictionary).unwrap();
    for column in [Arc::new(dictionary) as ArrayRef, Arc::new(runs), Arc::new(nested)] {
        for (from, len) in [(0, 5), (1, 3), (4, 1), (2, 0)] {
            let got: Vec<Vec<u8>> = encode(&[column.slice(from, len)]).iter().map(<[u8]>::to_vec).collect();
            assert_eq!(got, want[from..from + len], "{} {from}+{len}", column.data_type());
        }
    }
    let sliced = encode(&[Arc::new(numbers.slice(1, 5))]);
    assert_eq!(sliced, encode(&[Arc::new(Int32Array::from(vec![7, -1, -1, -1, 9]))]));
    // Slices of plain columns too.
    assert_eq!(encode(&[Arc::new(plain.slice(1, 2))]), encode(&[Arc::new(StringArray::from(vec!["a", "b"]))]));
    check_order(&[Arc::new(StringArray::from(Vec::<&str>::new()))], |_, _| Ordering::Equal);
}

/// PITFALLS I6
#[test]
fn a_null_is_refused_with_its_row_and_column() {
    let encoder = encoder(&[DataType::Int32, DataType::Utf8]);
    let integers: ArrayRef = Arc::new(Int32Array::from(vec![1, 2, 3]));
    let error = encoder.encode_arrays(&[integers.clone(), Arc::new(StringArray::from(vec![Some("a"), None, None]))]).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(1)));
    assert!(error.message().contains("'k1'"), "{error}");

    let values: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
    let by_value = DictionaryArray::<Int8Type>::try_new(Int8Array::from(vec![0, 0, 1]), values.clone()).unwrap();
    let empty = DictionaryArray::<Int8Type>::try_new(Int8Array::from(vec![None::<i8>, None]), Arc::new(StringArray::new_null(0))).unwrap();
    let runs = RunArray::<Int32Type>::try_new(&Int32Array::from(vec![2, 3]), &values).unwrap();
    for (column, row) in [(Arc::new(by_value) as ArrayRef, 2), (Arc::new(empty), 0), (Arc::new(runs), 2)] {
        let one = self::encoder(&[column.data_type().clone()]);
        let error = one.encode_arrays(&[column]).unwrap_err();
        assert_eq!((error.kind(), error.detail_u64("row")), (ErrorKind::InvalidData, Some(row)));
    }
}

#[test]
fn a_batch_must_have_the_key_columns_with_their_types() {
    let encoder = encoder(&[DataType::Int32, DataType::Utf8]);
    let batch = |fields: Vec<(&str, ArrayRef)>| RecordBatch::try_from_iter(fields).unwrap();
    let (integers, strings): (ArrayRef, ArrayRef) = (Arc::new(Int32Array::from(vec![1])), Arc::new(StringArray::from(vec!["x"])));
    let straight = encoder.encode(&batch(vec![("k0", integers.clone()), ("k1", strings.clone())])).unwrap();
    let moved = encoder.encode(&batch(vec![("other", strings.clone()), ("k1", strings.clone()), ("k0", integers.clone())])).unwrap();
    assert_eq!(straight, moved);
    let kind = |batch: RecordBatch| encoder.encode(&batch).unwrap_err().kind();
    assert_eq!(kind(batch(vec![("k0", integers.clone())])), ErrorKind::SchemaMismatch);
    assert_eq!(kind(batch(vec![("k0", strings.clone()), ("k1", strings.clone())])), ErrorKind::SchemaMismatch);
    let kind = |columns: &[ArrayRef]| encoder.encode_arrays(columns).unwrap_err().kind();
    assert_eq!(kind(std::slice::from_ref(&integers)), ErrorKind::SchemaMismatch);
    assert_eq!(kind(&[integers, Arc::new(StringArray::from(vec!["x", "y"]))]), ErrorKind::InvalidData);
}

fn marked(name: &str, data_type: DataType, marks: &[(&str, &str)]) -> Field {
    let metadata = marks.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<std::collections::HashMap<_, _>>();
    Field::new(name, data_type, false).with_metadata(metadata)
}

fn columns(schema: &Schema) -> Vec<String> {
    let spec = KeySpec::resolve(schema, None).unwrap();
    spec.map(|spec| spec.columns().iter().map(|c| c.name().to_owned()).collect()).unwrap_or_default()
}

#[test]
fn the_key_is_what_the_metadata_marks_or_the_names_given() {
    let key = (PRIMARY_KEY, "true");
    let at = |n| (PRIMARY_KEY_POSITION, n);
    let schema = Schema::new(vec![
        marked("legacy", DataType::Int8, &[key]),
        marked("plain", DataType::Int8, &[]),
        marked("second", DataType::Int8, &[key, at("2")]),
        marked("first", DataType::Int8, &[at("1")]),
        marked("not", DataType::Int8, &[(PRIMARY_KEY, "false")]),
        marked("zero", DataType::Int8, &[key, at("0")]),
    ]);
    assert_eq!(columns(&schema), ["first", "second", "legacy", "zero"]);
    let spec = KeySpec::resolve(&schema, Some(&["plain".into(), "legacy".into()])).unwrap().unwrap();
    let got: Vec<_> = spec.columns().iter().map(|c| (c.name(), c.index())).collect();
    assert_eq!(got, [("plain", 1), ("legacy", 0)], "names win over metadata");
    assert!(spec.contains(0) && spec.contains(1) && !spec.contains(2));
    assert!(KeySpec::resolve(&Schema::new(vec![Field::new("x", DataType::Int8, true)]), None).unwrap().is_none());
    assert_eq!(columns(&Schema::new(vec![marked("x", DataType::Int8, &[(PRIMARY_KEY, "True")])])), ["x"]);
}

#[test]
fn keys_that_make_no_sense_are_refused() {
    let field = |data_type| Field::new("x", data_type, true);
    let inner = Arc::new(Field::new("item", DataType::Int8, true));
    for data_type in [
        DataType::Null,
        DataType::List(inner.clone()),
        DataType::FixedSizeList(inner.clone(), 2),
        DataType::Struct(Fields::from(vec![inner.clone()])),
        DataType::Interval(IntervalUnit::DayTime),
        DataType::Interval(IntervalUnit::MonthDayNano),
        DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::List(inner.clone()))),
    ] {
        let schema = Schema::new(vec![field(data_type.clone())]);
        let error = KeySpec::resolve(&schema, Some(&["x".into()])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("'x'") && error.message().contains(&data_type.to_string()), "{error}");
    }
    let twice = Schema::new(vec![field(DataType::Int8), field(DataType::Int8)]);
    let one = Schema::new(vec![field(DataType::Int8)]);
    let named = |schema: &Schema, names: &[&str]| {
        KeySpec::resolve(schema, Some(&names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())).unwrap_err().kind()
    };
    for (schema, names) in [(&one, &[][..]), (&one, &["y"]), (&one, &["x", "x"]), (&twice, &["x"])] {
        assert_eq!(named(schema, names), ErrorKind::InvalidArgument, "{names:?}");
    }
    let mark = |marks| Schema::new(vec![marked("x", DataType::Int8, marks), marked("y", DataType::Int8, marks)]);
    let inside =
        Schema::new(vec![Field::new("s", DataType::Struct(vec![marked("x", DataType::Int8, &[(PRIMARY_KEY, "true")])].into()), false)]);
    for schema in [mark(&[(PRIMARY_KEY, "maybe")]), mark(&[(PRIMARY_KEY_POSITION, "1")]), mark(&[(PRIMARY_KEY_POSITION, "-1")]), inside] {
        assert_eq!(KeySpec::resolve(&schema, None).unwrap_err().kind(), ErrorKind::InvalidArgument, "{schema:?}");
    }
}

#[test]
fn damaged_keys_do_not_decode() {
    let encoder = encoder(&[DataType::Boolean, DataType::Utf8, DataType::Int16]);
    let columns: [ArrayRef; 3] =
        [Arc::new(BooleanArray::from(vec![true])), Arc::new(StringArray::from(vec!["x\0y"])), Arc::new(Int16Array::from(vec![5]))];
    let key = encoder.encode_arrays(&columns).unwrap().key(0).to_vec();
    assert_eq!(encoder.decode([&key[..]]).unwrap().num_rows(), 1);
    let refused = |key: &[u8]| encoder.decode([key]).unwrap_err().kind();
    for len in 0..key.len() {
        assert_eq!(refused(&key[..len]), ErrorKind::Corruption, "cut to {len}");
    }
    assert_eq!(refused(&[&key[..], &[0]].concat()), ErrorKind::Corruption);
    let changed = |at: usize, to: u8| {
        let mut key = key.clone();
        key[at] = to;
        refused(&key)
    };
    assert_eq!(changed(0, 2), ErrorKind::Corruption, "no boolean");
    assert_eq!(changed(1, 0xfe), ErrorKind::Corruption, "no UTF-8");
    assert_eq!(changed(3, 0x01), ErrorKind::Corruption, "no escape");
    let mut random = StdRng::seed_from_u64(5);
    for _ in 0..2000 {
        let mut noise = vec![0; random.random_range(0..12)];
        random.fill_bytes(&mut noise);
        // Whatever comes of it: no panic, and nothing but the one error.
        if let Err(error) = encoder.decode([&noise[..]]) {
            assert_eq!(error.kind(), ErrorKind::Corruption);
        }
    }
}

#[test]
fn the_encoding_and_the_hash_never_change() {
    // What is on storage depends on these.
    let columns: [ArrayRef; 3] = [
        Arc::new(Int32Array::from(vec![1, -1])),
        Arc::new(StringArray::from(vec!["a\0b", ""])),
        Arc::new(Float64Array::from(vec![1.0, -0.0])),
    ];
    let keys = encode(&columns);
    assert_eq!(keys.key(0), [0x80, 0, 0, 1, b'a', 0, 0xff, b'b', 0, 0, 0xbf, 0xf0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(keys.key(1), [0x7f, 0xff, 0xff, 0xff, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]);
    // The published vectors of XXH3.
    for (key, hash) in [(&b""[..], 0x2d06_8005_38d3_94c2), (b"a", 0xe6c6_32b6_1e96_4e1f), (b"abc", 0x78af_5f94_892f_3950)] {
        assert_eq!(hash_key(key), hash);
    }
    assert_eq!(keys.hash(0), hash_key(keys.key(0)));
    assert!(keys.memory_bytes() >= keys.data_len());
    assert_eq!(keys.iter().map(<[u8]>::len).sum::<usize>(), keys.data_len());
}
