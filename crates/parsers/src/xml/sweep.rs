//! The walk over a document: events of quick-xml in, subtrees out. No recursion.
//!
//! What it is not: it decides nothing about formats. The contract stands in [`super`].

use gna_domain::import::{Position, Refusal};
use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError};
use quick_xml::events::{BytesStart, Event};
use std::borrow::Cow;

use super::{Element, Item, MAX_ATTRIBUTES, MAX_NODES, MAX_SUBTREE, Open};
use crate::input::Input;

type Each<'f> = &'f mut dyn FnMut(Item<'_>) -> Result<(), Refusal>;

/// One sweep over one document.
pub(super) struct Sweep<'a> {
    reader: Reader<&'a [u8]>,
    lines: Lines<'a>,
    max_depth: usize,
    /// Names on each path, and how many items it gave so far.
    paths: Vec<(Vec<String>, u64)>,
    left_out: Vec<String>,
    root: Option<Open>,
    /// A declaration or document type was there: what lacks a root was XML once.
    prolog: bool,
    /// Elements on the way to items.
    open: Vec<Open>,
    /// The item being read: its root first, then the elements that are open in it.
    building: Vec<Element>,
    current: usize,
    nodes: usize,
    /// [`MAX_NODES`] outside of tests.
    pub(super) max_nodes: usize,
    /// How many open elements are being skipped.
    skipping: usize,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(
        input: &Input<'a>,
        paths: &[&str],
        left_out: &[&str],
    ) -> Result<Self, Refusal> {
        let text = input.text()?;
        Ok(Self {
            reader: reader(text),
            lines: Lines {
                bytes: text.as_bytes(),
                at: 0,
                line: 1,
            },
            max_depth: usize::try_from(input.limits.max_depth).unwrap_or(usize::MAX),
            paths: paths
                .iter()
                .map(|path| (path.split('/').map(str::to_owned).collect(), 0))
                .collect(),
            left_out: left_out.iter().map(|name| (*name).to_owned()).collect(),
            root: None,
            prolog: false,
            open: Vec::new(),
            building: Vec::new(),
            current: 0,
            nodes: 0,
            max_nodes: MAX_NODES,
            skipping: 0,
        })
    }

    pub(super) fn run(mut self, each: Each<'_>) -> Result<Open, Refusal> {
        loop {
            let at = self.reader.buffer_position();
            let event = match self.reader.read_event() {
                Ok(event) => event,
                Err(error) => return Err(self.broken(&error)),
            };
            match event {
                Event::Start(tag) => self.start(&tag, at)?,
                Event::Empty(tag) => {
                    self.start(&tag, at)?;
                    self.end(each)?;
                }
                Event::End(_) => self.end(each)?,
                Event::Text(text) => self.text(&text.xml10_content(), at)?,
                Event::CData(data) => self.text(&data.xml10_content(), at)?,
                Event::GeneralRef(name) => self.text(&decode(&format!("&{};", &*name)), at)?,
                Event::DocType(declared) if declared.contains("<!ENTITY") => {
                    return Err(self.refuse(
                        "report.malformed",
                        "the document type defines entities, which no scanner's report needs and which are never read; remove the <!DOCTYPE> and try again",
                        at,
                    ));
                }
                Event::Decl(_) | Event::DocType(_) => self.prolog = true,
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => break,
            }
        }
        let end = self.reader.buffer_position();
        if self.depth() > 0 || (self.prolog && self.root.is_none()) {
            return Err(self.truncated(end));
        }
        match self.root.take() {
            Some(root) => Ok(root),
            None => Err(self.not_xml(0)),
        }
    }

    fn depth(&self) -> usize {
        self.open.len() + self.building.len() + self.skipping
    }

    fn start(&mut self, tag: &BytesStart<'_>, at: u64) -> Result<(), Refusal> {
        let depth = self.depth();
        if depth >= self.max_depth {
            let message = format!(
                "the XML nests deeper than {} levels; no scanner writes such a report",
                self.max_depth
            );
            return Err(self.refuse("report.too_deep", &message, at));
        }
        if depth == 0 && self.root.is_some() {
            return Err(self.refuse(
                "report.malformed",
                "the file has a second root element: it looks like several reports in one file; import each alone",
                at,
            ));
        }
        if self.skipping > 0 {
            self.skipping += 1;
            return Ok(());
        }
        if let Some(item) = self.building.first() {
            let too_long = at.saturating_sub(item.byte) > MAX_SUBTREE;
            let element = self.element(tag, at)?;
            self.nodes += 1 + element.attributes.len();
            if too_long || self.nodes > self.max_nodes {
                return Err(self.too_large(at));
            }
            if self.left_out.contains(&element.name) {
                self.skipping = 1;
                self.adopt(element);
            } else {
                self.building.push(element);
            }
            return Ok(());
        }
        let name = tag.local_name();
        let name: &str = name.as_ref();
        match self.step(name) {
            Step::Item(path) => {
                let element = self.element(tag, at)?;
                if depth == 0 {
                    self.root = Some(self.opened(tag, at)?);
                }
                self.current = path;
                self.nodes = 1 + element.attributes.len();
                self.building.push(element);
            }
            Step::Towards => {
                let open = self.opened(tag, at)?;
                if depth == 0 {
                    self.root = Some(open.clone());
                }
                self.open.push(open);
            }
            Step::Aside => {
                if depth == 0 {
                    self.root = Some(self.opened(tag, at)?);
                }
                self.skipping = 1;
            }
        }
        Ok(())
    }

    /// What an element of that name, in the open ones, is.
    fn step(&self, name: &str) -> Step {
        let depth = self.open.len();
        let fits = |wanted: &String, found: &str| wanted == "*" || wanted == found;
        let leads = |path: &[String]| {
            path.get(depth).is_some_and(|wanted| fits(wanted, name))
                && path
                    .iter()
                    .zip(&self.open)
                    .all(|(wanted, open)| fits(wanted, &open.name))
        };
        let mut step = Step::Aside;
        for (index, (path, _)) in self.paths.iter().enumerate() {
            if leads(path) {
                if path.len() == depth + 1 {
                    return Step::Item(index);
                }
                step = Step::Towards;
            }
        }
        step
    }

    fn end(&mut self, each: Each<'_>) -> Result<(), Refusal> {
        if self.skipping > 0 {
            self.skipping -= 1;
        } else if let Some(element) = self.building.pop() {
            if !self.building.is_empty() {
                self.adopt(element);
            } else if let Some((_, count)) = self.paths.get_mut(self.current) {
                let position = element.position(*count);
                *count += 1;
                each(Item {
                    element,
                    path: self.current,
                    position,
                    parents: &self.open,
                })?;
            }
        } else {
            self.open.pop();
        }
        Ok(())
    }

    fn adopt(&mut self, element: Element) {
        if let Some(parent) = self.building.last_mut() {
            parent.children.push(element);
        }
    }

    fn text(&mut self, text: &str, at: u64) -> Result<(), Refusal> {
        if self.depth() == 0 {
            if self.root.is_none() && !text.trim().is_empty() {
                let blank = text.len() - text.trim_start().len();
                return Err(self.not_xml(at + u64::try_from(blank).unwrap_or_default()));
            }
            return Ok(());
        }
        if self.skipping > 0 {
            return Ok(());
        }
        let start = self.building.first().map(|item| item.byte);
        if let Some(element) = self.building.last_mut() {
            element.content.push_str(text);
        }
        match start {
            Some(start) if self.reader.buffer_position().saturating_sub(start) > MAX_SUBTREE => {
                Err(self.too_large(at))
            }
            _ => Ok(()),
        }
    }

    fn element(&mut self, tag: &BytesStart<'_>, at: u64) -> Result<Element, Refusal> {
        let open = self.opened(tag, at)?;
        Ok(Element {
            name: open.name,
            attributes: open.attributes,
            byte: open.byte,
            line: open.line,
            ..Element::default()
        })
    }

    fn opened(&mut self, tag: &BytesStart<'_>, at: u64) -> Result<Open, Refusal> {
        match open(tag) {
            Ok(open) if open.attributes.len() > MAX_ATTRIBUTES => Err(self.too_large(at)),
            Ok(open) => Ok(Open {
                byte: at,
                line: self.lines.at(at),
                ..open
            }),
            Err(reason) => {
                let message = format!("not valid XML: {reason}; export the report again");
                Err(self.refuse("report.malformed", &message, at))
            }
        }
    }

    fn refuse(&mut self, code: &str, message: &str, at: u64) -> Refusal {
        Refusal::new(code, message).at(Position {
            item: 0,
            byte: Some(at),
            line: Some(self.lines.at(at)),
        })
    }

    fn too_large(&mut self, at: u64) -> Refusal {
        let message = format!(
            "one item of the report has more than {} elements, {MAX_ATTRIBUTES} attributes on one of them, or {} MiB; no scanner writes such a report",
            self.max_nodes,
            MAX_SUBTREE >> 20
        );
        self.refuse("report.too_large", &message, at)
    }

    fn truncated(&mut self, at: u64) -> Refusal {
        self.refuse(
            "report.truncated",
            "the XML ends in the middle: the file was cut off while it was written or uploaded; get the whole file",
            at,
        )
    }

    fn not_xml(&mut self, at: u64) -> Refusal {
        self.refuse(
            "report.wrong_format",
            "the file holds no XML element; name the right format",
            at,
        )
    }

    fn broken(&mut self, error: &Error) -> Refusal {
        let at = self.reader.error_position();
        match error {
            // These say that the input ended inside of some markup.
            Error::Syntax(_) | Error::IllFormed(IllFormedError::MissingEndTag(_)) => {
                self.truncated(at)
            }
            other => {
                let reason = other.to_string();
                let reason = crate::text::cut(&reason, 200);
                let message = format!("not valid XML: {reason}; export the report again");
                self.refuse("report.malformed", &message, at)
            }
        }
    }
}

enum Step {
    /// An item of that path.
    Item(usize),
    /// On the way to items.
    Towards,
    Aside,
}

fn reader(text: &str) -> Reader<&[u8]> {
    let mut reader = Reader::from_str(text);
    // A lone `&` in an address is common in reports that were put together by hand.
    reader.config_mut().allow_dangling_amp = true;
    reader
}

pub(super) fn root(head: &str) -> Option<Open> {
    let mut reader = reader(head);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) => return open(&tag).ok(),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Text(text) if text.trim().is_empty() => {}
            _ => return None,
        }
    }
}

/// Name, attributes and namespace of a tag; at most one attribute more than is allowed.
fn open(tag: &BytesStart<'_>) -> Result<Open, String> {
    let mut open = Open {
        name: tag.local_name().as_ref().to_owned(),
        ..Open::default()
    };
    let prefix = tag.name().prefix();
    let prefix: Option<&str> = prefix.as_ref().map(AsRef::as_ref);
    // The check for repeated names is quadratic; the first of a name wins instead.
    for attribute in tag.attributes().with_checks(false).take(MAX_ATTRIBUTES + 1) {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name: &str = attribute.key.as_ref();
        let declared = match name.strip_prefix("xmlns") {
            Some("") => Some(None),
            Some(rest) => rest.strip_prefix(':').map(Some),
            None => None,
        };
        let value = decode(&attribute.value);
        match declared {
            Some(declared) if declared == prefix => open.namespace = Some(value.into_owned()),
            Some(_) => {}
            None => {
                let name = attribute.key.local_name();
                let name: &str = name.as_ref();
                open.attributes.push((name.to_owned(), value.into_owned()));
            }
        }
    }
    Ok(open)
}

/// Decodes the five entities of XML and character references; any other reference stays.
fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        out.push_str(before);
        let end = entity.bytes().take(12).position(|byte| byte == b';');
        let name = end.and_then(|end| entity.get(1..end));
        if let Some((character, end)) = name.and_then(character).zip(end) {
            out.push(character);
            rest = entity.get(end + 1..).unwrap_or_default();
        } else {
            out.push('&');
            rest = entity.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn character(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| *c != '\0')
        }
    }
}

/// Counts lines forward, so that a whole sweep counts each once.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line, from 1, of an offset. Offsets mostly grow; one before the last starts anew.
    fn at(&mut self, byte: u64) -> u64 {
        let to = usize::try_from(byte)
            .unwrap_or(usize::MAX)
            .min(self.bytes.len());
        if to < self.at {
            (self.at, self.line) = (0, 1);
        }
        let passed = self.bytes.get(self.at..to).unwrap_or_default();
        let breaks = passed.iter().filter(|byte| **byte == b'\n').count();
        self.line += u64::try_from(breaks).unwrap_or_default();
        self.at = to;
        self.line
    }
}
