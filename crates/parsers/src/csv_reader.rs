//! Reads CSV reports row by row, by the names of their columns.
//!
//! The delimiter (`,` `;` tab `|`) is found from the header row, or given by the `sep=` line that
//! spreadsheets write. Names of columns are compared by their letters and digits alone, so
//! `Plugin ID`, `plugin_id` and `PluginId` are one column. Quoting is that of RFC 4180; blank
//! lines and rows without any text are no rows. A row with too few or too many fields is read as far as it goes and carries
//! a warning; what is missing is absent.
//!
//! What it is not: a reader of types, all fields are text. Read next: [`Row`].

use gna_domain::import::{Position, Refusal, Warning};
use serde_json::{Map, Value};
use std::collections::HashMap;

use crate::input::Input;

/// Most columns of a row.
pub const MAX_COLUMNS: usize = 10_000;
/// How many rows may stand before the header row.
const PREAMBLE: usize = 50;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The names of the columns.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// As written, trimmed; a repeated name has its number behind it: `CVE`, `CVE_2`.
    pub names: Vec<String>,
    index: HashMap<String, usize>,
}

/// One data row.
#[derive(Debug)]
pub struct Row<'r> {
    /// Number of the data row from 0, its offset, and its first line.
    pub position: Position,
    headers: &'r Headers,
    record: &'r csv::StringRecord,
}

impl Headers {
    fn of(record: &csv::StringRecord) -> Self {
        let mut headers = Self::default();
        // The number that each name had last: to count from 1 again for every column would take the
        // square of their number.
        let mut numbers: HashMap<String, usize> = HashMap::new();
        for (column, name) in record.iter().enumerate() {
            let name = name.trim().trim_start_matches('\u{feff}');
            let mut unique = name.to_owned();
            let number = numbers.entry(plain(name)).or_insert(1);
            while !name.is_empty() && headers.index.contains_key(&plain(&unique)) {
                *number += 1;
                unique = format!("{name}_{number}");
            }
            headers.index.entry(plain(&unique)).or_insert(column);
            headers.names.push(unique);
        }
        headers
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.index.contains_key(&plain(name))
    }

    #[must_use]
    pub fn has_all(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.has(name))
    }
}

impl<'r> Row<'r> {
    /// The field of that column, trimmed; `None` where the column, the field or its text is missing.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&'r str> {
        let field = self.record.get(*self.headers.index.get(&plain(column))?)?;
        Some(field.trim()).filter(|text| !text.is_empty())
    }

    /// The first of several columns that has text: for names that changed between versions.
    #[must_use]
    pub fn any(&self, columns: &[&str]) -> Option<&'r str> {
        columns.iter().find_map(|column| self.get(column))
    }

    /// The row as an object: every column that has a name and a field, as written, always strings.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let fields = self.headers.names.iter().zip(self.record);
        let named = fields.filter(|(name, _)| !name.is_empty());
        let object: Map<String, Value> = named
            .map(|(name, field)| (name.clone(), Value::String(field.to_owned())))
            .collect();
        Value::Object(object)
    }

    /// What is wrong with the number of fields (`row.ragged`); it leaves nothing out.
    #[must_use]
    pub fn ragged(&self) -> Option<Warning> {
        let (fields, columns) = (self.record.len(), self.headers.names.len());
        if fields == columns {
            return None;
        }
        // Some tools end each row, but not the header row, with a delimiter; and the reverse.
        let extra = self.record.iter().skip(columns);
        if fields > columns && extra.into_iter().all(|field| field.trim().is_empty()) {
            return None;
        }
        let unnamed = self.headers.names.iter().skip(fields).all(String::is_empty);
        if fields < columns && unnamed {
            return None;
        }
        Some(Warning {
            code: "row.ragged".to_owned(),
            message: format!(
                "row {} has {fields} fields, the header row has {columns}; it was read as far as they match (is a quote missing?)",
                self.position.item + 1
            ),
            position: self.position,
            skipped: false,
        })
    }
}

/// Hands out every data row. The header row is the first of the first 50 rows that has all
/// of the columns in `marks` (with no marks: the first row). Returns the headers.
///
/// # Errors
/// `report.empty`, `report.encoding`; `report.truncated` where a quote is never closed;
/// `report.too_large` for more than [`MAX_COLUMNS`] columns; `report.wrong_format` where the marks
/// are not found, naming them; or whatever `each` returned.
pub fn for_each(
    input: &Input<'_>,
    marks: &[&str],
    mut each: impl FnMut(Row<'_>) -> Result<(), Refusal>,
) -> Result<Headers, Refusal> {
    let text = input.text()?;
    let (skipped, delimiter) = dialect(text);
    check(text, skipped, delimiter)?;
    let mut rows = Rows::new(text, skipped, delimiter);
    let mut headers = None;
    let mut first = Vec::new();
    for _ in 0..PREAMBLE {
        if rows.next()?.is_none() {
            break;
        }
        let found = Headers::of(&rows.record);
        if found.has_all(marks) {
            headers = Some(found);
            break;
        }
        if first.is_empty() {
            first = found.names;
        }
    }
    let Some(headers) = headers else {
        return Err(wrong_columns(marks, &first));
    };
    let mut item = 0;
    while let Some(place) = rows.next()? {
        // Spreadsheets save empty rows as rows of delimiters.
        if rows.record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        each(Row {
            position: Position { item, ..place },
            headers: &headers,
            record: &rows.record,
        })?;
        item += 1;
    }
    Ok(headers)
}

/// The names of the columns in the first row of a head. For `detect`: it never fails; `None` for
/// a first row of one column, which may be any text.
#[must_use]
pub fn headers(head: &str) -> Option<Headers> {
    let (skipped, delimiter) = dialect(head);
    let mut rows = Rows::new(head, skipped, delimiter);
    rows.next().ok().flatten()?;
    (2..=MAX_COLUMNS)
        .contains(&rows.record.len())
        .then(|| Headers::of(&rows.record))
}

/// The rows of a text with their places in it.
struct Rows<'a> {
    reader: csv::Reader<&'a [u8]>,
    record: csv::StringRecord,
    /// Bytes and lines before the first row.
    offset: (u64, u64),
    text: &'a str,
}

impl<'a> Rows<'a> {
    fn new(text: &'a str, skipped: usize, delimiter: u8) -> Self {
        let rest = text.get(skipped..).unwrap_or_default();
        let lines = text
            .get(..skipped)
            .map_or(0, |before| before.matches('\n').count());
        let number = |count| u64::try_from(count).unwrap_or_default();
        Self {
            reader: csv::ReaderBuilder::new()
                .has_headers(false)
                .flexible(true)
                .delimiter(delimiter)
                .from_reader(rest.as_bytes()),
            record: csv::StringRecord::new(),
            offset: (number(skipped), number(lines)),
            text,
        }
    }

    /// Reads the next row into `record` and tells where it began.
    fn next(&mut self) -> Result<Option<Position>, Refusal> {
        match self.reader.read_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => {
                let message = format!("not valid CSV: {error}; export the report again");
                return Err(Refusal::new("report.malformed", message));
            }
        }
        let Some(place) = self.record.position() else {
            return Ok(Some(Position::default()));
        };
        // The library's place is where the row before ended: blank lines may lie between.
        let byte = place.byte() + self.offset.0;
        let rest = usize::try_from(byte)
            .ok()
            .and_then(|byte| self.text.get(byte..))
            .unwrap_or_default();
        let blank = rest.len() - rest.trim_start_matches(['\r', '\n']).len();
        let breaks = rest.bytes().take(blank).filter(|b| *b == b'\n').count();
        Ok(Some(Position {
            item: 0,
            byte: Some(byte + u64::try_from(blank).unwrap_or_default()),
            line: Some(place.line() + self.offset.1 + u64::try_from(breaks).unwrap_or_default()),
        }))
    }
}

/// How many bytes stand before the rows, and the delimiter.
fn dialect(text: &str) -> (usize, u8) {
    let body = text.trim_start_matches(['\u{feff}', '\r', '\n']);
    let before = text.len() - body.len();
    let line = body.split(['\r', '\n']).next().unwrap_or_default();
    if let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] = line.as_bytes()
        && DELIMITERS.contains(delimiter)
    {
        return (before + line.len(), *delimiter);
    }
    // A quoted name may hold any of them, and a preamble none.
    let first = body.lines().take(PREAMBLE).find_map(|line| {
        let counts = DELIMITERS.map(|delimiter| outside_quotes(line, delimiter));
        let most = counts.iter().copied().max().filter(|most| *most > 0)?;
        let found = counts.iter().position(|count| *count == most)?;
        DELIMITERS.get(found).copied()
    });
    (before, first.unwrap_or(b','))
}

fn outside_quotes(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        count += usize::from(byte == delimiter && !quoted);
    }
    count
}

/// Looks over the whole text for what the library would swallow: a quote that is never closed
/// takes the rest of the file for one field, and nothing bounds the number of columns.
fn check(text: &str, skipped: usize, delimiter: u8) -> Result<(), Refusal> {
    #[derive(Clone, Copy)]
    enum In {
        Start,
        Field,
        Quotes,
        /// After a quote within quotes: the end, or the first of a doubled one.
        Quote,
    }
    let mut state = In::Start;
    let (mut line, mut opened, mut columns) = (1_u64, 1_u64, 0_usize);
    for (at, byte) in text.bytes().enumerate() {
        line += u64::from(byte == b'\n');
        if at < skipped {
            continue;
        }
        state = match (state, byte) {
            (In::Quotes, b'"') => In::Quote,
            (In::Quotes, _) | (In::Quote, b'"') => In::Quotes,
            (In::Start, b'"') => {
                opened = line;
                In::Quotes
            }
            (_, b'\n' | b'\r') => {
                columns = 0;
                In::Start
            }
            (_, other) if other == delimiter => {
                columns += 1;
                if columns >= MAX_COLUMNS {
                    let message = format!(
                        "a row has more than {MAX_COLUMNS} columns; no scanner writes such a report"
                    );
                    return Err(Refusal::new("report.too_large", message).at(place(line)));
                }
                In::Start
            }
            _ => In::Field,
        };
    }
    if matches!(state, In::Quotes) {
        return Err(Refusal::new(
            "report.truncated",
            "a quoted field never ends: the file was cut off while it was written or uploaded, or a quote is missing; get the whole file",
        )
        .at(place(opened)));
    }
    Ok(())
}

fn place(line: u64) -> Position {
    Position {
        line: Some(line),
        ..Position::default()
    }
}

fn wrong_columns(marks: &[&str], first: &[String]) -> Refusal {
    let found = crate::text::one_line(&first.join(", "), 200);
    let message = format!(
        "no header row has the columns {}; the first row is: {found}; name the right format",
        marks.join(", ")
    );
    Refusal::new("report.wrong_format", message)
}

/// Letters and digits, lower case.
fn plain(name: &str) -> String {
    name.chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    type Read = (Vec<Value>, Vec<(u64, u64, u64)>, usize);

    fn read(text: &str, marks: &[&str]) -> Result<Read, Refusal> {
        let (mut rows, mut places, mut ragged) = (Vec::new(), Vec::new(), 0);
        for_each(&Input::new("t.csv", text.as_bytes()), marks, |row| {
            rows.push(row.to_json());
            let at = row.position;
            places.push((at.item, at.byte.unwrap(), at.line.unwrap()));
            ragged += usize::from(row.ragged().is_some());
            Ok(())
        })?;
        Ok((rows, places, ragged))
    }

    #[test]
    fn every_delimiter_is_found_and_fields_keep_theirs() {
        for text in [
            "a,b\n1,\"x,y\"\n",
            "\u{feff}a;b\r\n1;x,y\r\n",
            "a\tb\n1\tx,y",
            "sep=|\na|b\n1|\"x,y\"",
            "\"a\",\"b\"\n\"1\",\"x,y\"",
        ] {
            assert_eq!(
                read(text, &["A", "b"]).unwrap().0,
                [json!({"a": "1", "b": "x,y"})],
                "{text}"
            );
        }
    }

    #[test]
    fn columns_are_found_by_any_spelling() {
        let text = "Plugin ID,CVE,CVE, Risk Factor \n 7 ,a,b,\n";
        let headers = for_each(&Input::new("t", text.as_bytes()), &["plugin_id"], |row| {
            assert_eq!(row.get("pluginId"), Some("7"));
            assert_eq!((row.get("CVE"), row.get("CVE_2")), (Some("a"), Some("b")));
            assert_eq!((row.get("risk factor"), row.get("none")), (None, None));
            assert_eq!(row.any(&["none", "cve"]), Some("a"));
            Ok(())
        })
        .unwrap();
        assert_eq!(headers.names, ["Plugin ID", "CVE", "CVE_2", "Risk Factor"]);
        assert!(super::headers("a,b\n1").unwrap().has_all(&["B", "a"]));
        assert!(super::headers("one column\n").is_none());
    }

    #[test]
    fn rows_know_their_place_over_breaks_in_quotes_blank_lines_and_preambles() {
        let text = "Report of today\n\na,b\n1,\"two\nlines\"\n\n , \n2,x\n";
        let (rows, places, _) = read(text, &["a", "b"]).unwrap();
        assert_eq!(rows[0], json!({"a": "1", "b": "two\nlines"}));
        assert_eq!(places, [(0, 21, 4), (1, 40, 8)]);
        for (_, byte, line) in places {
            let before = &text[..usize::try_from(byte).unwrap()];
            assert_eq!(before.matches('\n').count() as u64 + 1, line);
        }
    }

    #[test]
    fn ragged_rows_are_read_as_far_as_they_go() {
        let (rows, _, ragged) = read("a,b,c\n1\n1,2,3,4\n1,2,3,\n", &[]).unwrap();
        assert_eq!(rows[0], json!({"a": "1"}));
        assert_eq!(rows[1], json!({"a": "1", "b": "2", "c": "3"}));
        assert_eq!((rows.len(), ragged), (3, 2));
        assert_eq!(
            read("a,b,\n1,2\n", &[]).unwrap().2,
            0,
            "a header row may end with a delimiter"
        );
    }

    /// Fifty rows of ten thousand columns of one name: numbering each from 1 would take 2.5 thousand
    /// million look-ups, hours in a test.
    #[test]
    fn repeated_names_are_numbered_in_one_walk() {
        let row = vec!["a"; MAX_COLUMNS].join(",");
        let text = format!("{row}\n").repeat(PREAMBLE);
        let refusal = read(&text, &["nowhere"]).unwrap_err();
        assert_eq!(refusal.code, "report.wrong_format");
        let headers = super::headers(&row).unwrap();
        assert!(headers.has_all(&["a", "a_2", &format!("A {MAX_COLUMNS}")]));
        assert!(super::headers(&format!("{row},a")).is_none(), "too many");
        // Numbers that are taken are passed over, and a name that looks like one gets its own.
        let headers = super::headers("a,a_2,a,A,a_2,-,-\n").unwrap();
        assert_eq!(
            headers.names,
            ["a", "a_2", "a_3", "A_4", "a_2_2", "-", "-_2"]
        );
    }

    #[test]
    fn damaged_tables_are_refused() {
        let wide = ",".repeat(MAX_COLUMNS);
        for (text, marks, code, line) in [
            ("a,b\n1,2\n3,\"cut", &[][..], "report.truncated", Some(3)),
            ("a,b\n1,\"x\"\"", &[], "report.truncated", Some(2)),
            (wide.as_str(), &[], "report.too_large", Some(1)),
            ("x,y\n1,2\n", &["a"], "report.wrong_format", None),
            (" \n", &[], "report.empty", None),
        ] {
            let refusal = read(text, marks).unwrap_err();
            let at = refusal.position.and_then(|position| position.line);
            assert_eq!((refusal.code.as_str(), at), (code, line), "{text}");
        }
        // A quote inside an unquoted field opens nothing.
        assert_eq!(read("a,b\n5\" disk,x\n", &[]).unwrap().0.len(), 1);
    }
}
