//! How lists are read page by page. Pure: from a page and its answer to the next page, or none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::connect::answer::Answer;

/// Pages of one list that are ever read in a row: a list that does not end is a defect of the app.
pub const HARD_PAGE_LIMIT: u32 = 10_000;

/// How an app pages. Where a page's values go in the request is said by `{page.…}` placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Paging {
    /// `Link: <…>; rel="next"` (RFC 8288).
    Link {
        /// `{page.size}`.
        #[serde(default)]
        size: u32,
        #[serde(default)]
        most: Option<Most>,
    },
    /// A mark for the next page, sent as `{page.cursor?}`. Serves GraphQL connections too.
    Cursor {
        #[serde(default)]
        size: u32,
        /// Pointer to the mark.
        #[serde(default)]
        next: Option<String>,
        /// The mark is in this header instead.
        #[serde(default)]
        header: Option<String>,
        /// Pointer inside the last item instead.
        #[serde(default)]
        last_item: Option<String>,
        /// Pointer to a boolean: whether there is more.
        #[serde(default)]
        more: Option<String>,
        /// Pointer to a boolean: whether this was the last page.
        #[serde(default)]
        last: Option<String>,
        #[serde(default)]
        most: Option<Most>,
    },
    /// The whole address of the next page, or its path, at a pointer.
    NextUrl {
        #[serde(default)]
        size: u32,
        next: String,
        #[serde(default)]
        most: Option<Most>,
    },
    /// `{page.offset}`, counted in items.
    Offset {
        size: u32,
        /// Pointer to the number of all items.
        #[serde(default)]
        total: Option<String>,
        #[serde(default)]
        more: Option<String>,
        #[serde(default)]
        last: Option<String>,
        /// First offset; 0, or 1 where the app counts from there.
        #[serde(default)]
        first: u32,
        #[serde(default)]
        most: Option<Most>,
    },
    /// `{page.number}`.
    Page {
        size: u32,
        #[serde(default = "one")]
        first: u32,
        /// Pointer to the number of pages.
        #[serde(default)]
        pages: Option<String>,
        /// Pointer to the number of all items.
        #[serde(default)]
        total: Option<String>,
        #[serde(default)]
        more: Option<String>,
        #[serde(default)]
        last: Option<String>,
        #[serde(default)]
        most: Option<Most>,
    },
}

/// Where an app ends a list although there is more of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Most {
    /// How many items it gives of one list; it refuses to be asked for a page that goes beyond.
    pub items: u64,
    /// How the rest is come by, where the list is sorted by what one of its inputs asks for.
    #[serde(default)]
    pub anew: Option<Anew>,
}

/// A list is begun anew where it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Anew {
    /// The operation's input that says from where.
    pub input: String,
    /// Pointer inside the last item to what the input is then.
    pub last_item: String,
}

/// What comes after a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    Page(PageState),
    /// It was the last one.
    End,
    /// There is more, which is not given.
    Cut,
}

fn one() -> u32 {
    1
}

/// Where a reader of a list is. Serialisable, so that a job can go on after it was stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PageState {
    pub cursor: Option<String>,
    pub offset: u64,
    pub number: u64,
    pub size: u32,
    pub url: Option<String>,
    /// Pages read before this one.
    pub read: u32,
    /// Items that came with them, since the list was begun anew.
    pub seen: u64,
    /// Where it was begun anew: the value of [`Anew::input`].
    pub anew: Option<String>,
}

impl PageState {
    /// As the scope `page` of templates.
    #[must_use]
    pub fn values(&self) -> Value {
        json!({"cursor": self.cursor, "offset": self.offset, "number": self.number, "size": self.size})
    }
}

impl Paging {
    /// The first page.
    #[must_use]
    pub fn first(&self) -> PageState {
        let (size, offset, number) = match self {
            Self::Link { size, .. } | Self::Cursor { size, .. } | Self::NextUrl { size, .. } => {
                (*size, 0, 0)
            }
            Self::Offset { size, first, .. } => (*size, u64::from(*first), 0),
            Self::Page { size, first, .. } => (*size, 0, u64::from(*first)),
        };
        PageState {
            size,
            offset,
            number,
            ..PageState::default()
        }
    }

    /// What comes after this page. A mark or address that repeats itself ends the list.
    #[must_use]
    pub fn next(&self, page: &PageState, items: &[Value], answer: &Answer) -> Next {
        let Some(next) = self.following(page, items, answer) else {
            return Next::End;
        };
        if next.read >= HARD_PAGE_LIMIT {
            return Next::Cut;
        }
        let Some(most) = self.most() else {
            return Next::Page(next);
        };
        if self
            .given(&next)
            .saturating_add(u64::from(page.size.max(1)))
            <= most.items
        {
            return Next::Page(next);
        }
        let from = most
            .anew
            .as_ref()
            .and_then(|anew| text_at(items.last()?, &anew.last_item));
        match from {
            // As many as the app gives have the same: it would be the same list again.
            Some(from) if page.anew.as_ref() != Some(&from) => Next::Page(PageState {
                read: next.read,
                anew: Some(from),
                ..self.first()
            }),
            _ => Next::Cut,
        }
    }

    fn most(&self) -> Option<&Most> {
        match self {
            Self::Link { most, .. }
            | Self::Cursor { most, .. }
            | Self::NextUrl { most, .. }
            | Self::Offset { most, .. }
            | Self::Page { most, .. } => most.as_ref(),
        }
    }

    /// How a list that the app ends is gone on with.
    #[must_use]
    pub fn anew(&self) -> Option<&Anew> {
        self.most()?.anew.as_ref()
    }

    /// Items before a page, as the app counts them.
    fn given(&self, page: &PageState) -> u64 {
        match self {
            Self::Offset { first, .. } => page.offset.saturating_sub(u64::from(*first)),
            Self::Page { size, first, .. } => {
                let pages = page.number.saturating_sub(u64::from(*first));
                pages.saturating_mul(u64::from(*size))
            }
            Self::Link { .. } | Self::Cursor { .. } | Self::NextUrl { .. } => page.seen,
        }
    }

    /// What is wrong with it.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let most = self.most()?;
        let is_less = most.items < u64::from(self.first().size.max(1));
        is_less.then_some("most.items must be at least the items of one page")
    }

    fn following(&self, page: &PageState, items: &[Value], answer: &Answer) -> Option<PageState> {
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        let next = PageState {
            read: page.read.saturating_add(1),
            seen: page.seen.saturating_add(count),
            ..page.clone()
        };
        match self {
            Self::Link { .. } => {
                let url = answer.header("link").and_then(next_link)?;
                (page.url.as_deref() != Some(&url)).then_some(PageState {
                    url: Some(url),
                    ..next
                })
            }
            Self::NextUrl { next: at, .. } => {
                let url = text_at(&answer.body, at)?;
                (page.url.as_deref() != Some(&url)).then_some(PageState {
                    url: Some(url),
                    ..next
                })
            }
            Self::Cursor {
                next: at,
                header,
                last_item,
                more,
                last,
                ..
            } => {
                if says_end(&answer.body, more.as_deref(), last.as_deref()) == Some(true) {
                    return None;
                }
                let in_body = || at.as_deref().and_then(|at| text_at(&answer.body, at));
                let in_header = || {
                    header
                        .as_deref()
                        .and_then(|name| answer.header(name))
                        .filter(|text| !text.is_empty())
                        .map(str::to_owned)
                };
                let in_item = || {
                    last_item
                        .as_deref()
                        .and_then(|at| text_at(items.last()?, at))
                };
                let cursor = in_body().or_else(in_header).or_else(in_item)?;
                (page.cursor.as_deref() != Some(&cursor)).then_some(PageState {
                    cursor: Some(cursor),
                    ..next
                })
            }
            Self::Offset {
                size,
                total,
                more,
                last,
                first,
                ..
            } => {
                let offset = page.offset.saturating_add(count);
                let total = total.as_deref().and_then(|at| number_at(&answer.body, at));
                let ends =
                    says_end(&answer.body, more.as_deref(), last.as_deref()).unwrap_or_else(|| {
                        total.map_or(count < u64::from(*size), |total| {
                            offset >= total.saturating_add(u64::from(*first))
                        })
                    });
                (count > 0 && !ends).then_some(PageState { offset, ..next })
            }
            Self::Page {
                size,
                first,
                pages,
                total,
                more,
                last,
                ..
            } => {
                let seen = page
                    .number
                    .saturating_sub(u64::from(*first))
                    .saturating_add(1);
                let pages = pages.as_deref().and_then(|at| number_at(&answer.body, at));
                let total = total.as_deref().and_then(|at| number_at(&answer.body, at));
                let ends =
                    says_end(&answer.body, more.as_deref(), last.as_deref()).unwrap_or_else(|| {
                        match (pages, total) {
                            (Some(pages), _) => seen >= pages,
                            (None, Some(total)) => seen.saturating_mul(u64::from(*size)) >= total,
                            (None, None) => count < u64::from(*size),
                        }
                    });
                (count > 0 && !ends).then_some(PageState {
                    number: page.number.saturating_add(1),
                    ..next
                })
            }
        }
    }

    /// Every pointer in it, for checks.
    pub(super) fn pointers(&self) -> Vec<&str> {
        let mut pointers = self.own_pointers();
        pointers.extend(self.anew().map(|anew| anew.last_item.as_str()));
        pointers
    }

    fn own_pointers(&self) -> Vec<&str> {
        match self {
            Self::Link { .. } => Vec::new(),
            Self::NextUrl { next, .. } => vec![next.as_str()],
            Self::Cursor {
                next,
                last_item,
                more,
                last,
                ..
            } => [next, last_item, more, last]
                .into_iter()
                .filter_map(Option::as_deref)
                .collect(),
            Self::Offset {
                total, more, last, ..
            } => [total, more, last]
                .into_iter()
                .filter_map(Option::as_deref)
                .collect(),
            Self::Page {
                pages,
                total,
                more,
                last,
                ..
            } => [pages, total, more, last]
                .into_iter()
                .filter_map(Option::as_deref)
                .collect(),
        }
    }
}

fn says_end(body: &Value, more: Option<&str>, last: Option<&str>) -> Option<bool> {
    let at = |pointer: Option<&str>| {
        pointer
            .and_then(|pointer| body.pointer(pointer))
            .and_then(Value::as_bool)
    };
    at(more).map(|more| !more).or_else(|| at(last))
}

fn text_at(value: &Value, pointer: &str) -> Option<String> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number_at(value: &Value, pointer: &str) -> Option<u64> {
    let value = value.pointer(pointer)?;
    value
        .as_u64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// The target of `rel="next"` in a `Link` header.
fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, from)) = rest.split_once('<') {
        let (target, after) = from.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or_default();
        let is_next = parameters.split(';').any(|parameter| {
            let parameter = parameter.trim().trim_end_matches(',').trim();
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value
                        .trim()
                        .trim_matches('"')
                        .split_whitespace()
                        .any(|rel| rel.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paging(value: Value) -> Paging {
        serde_json::from_value(value).expect("paging")
    }

    fn answer(headers: &[(&str, &str)], body: Value) -> Answer {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Answer {
            status: 200,
            headers,
            body,
        }
    }

    #[test]
    fn each_way_goes_on_and_ends() {
        let three = json!([{"id": 1}, {"id": 2}, {"id": 3}]);
        let three = three.as_array().expect("a list");
        let link = [(
            "Link",
            "<https://a.example/?page=1>; rel=\"prev\", <https://a.example/?page=3>; rel=\"next\"",
        )];
        for (way, headers, body, next) in [
            (
                json!({"link": {}}),
                &link[..],
                json!(null),
                Some(json!({"url": "https://a.example/?page=3"})),
            ),
            (
                json!({"link": {}}),
                &[("Link", "<https://a.example/?page=1>; rel=first")],
                json!(null),
                None,
            ),
            (
                json!({"next_url": {"next": "/next"}}),
                &[],
                json!({"next": "/v2/x?c=1"}),
                Some(json!({"url": "/v2/x?c=1"})),
            ),
            (
                json!({"next_url": {"next": "/next"}}),
                &[],
                json!({"next": null}),
                None,
            ),
            (
                json!({"cursor": {"next": "/meta/next"}}),
                &[],
                json!({"meta": {"next": "abc"}}),
                Some(json!({"cursor": "abc"})),
            ),
            (
                json!({"cursor": {"next": "/meta/next"}}),
                &[],
                json!({"meta": {"next": ""}}),
                None,
            ),
            (
                json!({"cursor": {"next": "/end", "more": "/more"}}),
                &[],
                json!({"end": "abc", "more": false}),
                None,
            ),
            (
                json!({"cursor": {"next": "/end", "last": "/isLast"}}),
                &[],
                json!({"end": "abc", "isLast": true}),
                None,
            ),
            (
                json!({"cursor": {"header": "X-Next"}}),
                &[("x-next", "7")],
                json!([]),
                Some(json!({"cursor": "7"})),
            ),
            (
                json!({"cursor": {"last_item": "/id", "more": "/has_more"}}),
                &[],
                json!({"has_more": true}),
                Some(json!({"cursor": "3"})),
            ),
            (
                json!({"offset": {"size": 3}}),
                &[],
                json!(null),
                Some(json!({"offset": 3})),
            ),
            (json!({"offset": {"size": 4}}), &[], json!(null), None),
            (
                json!({"offset": {"size": 3, "total": "/total"}}),
                &[],
                json!({"total": 3}),
                None,
            ),
            (
                json!({"offset": {"size": 3, "total": "/total", "first": 1}}),
                &[],
                json!({"total": "4"}),
                Some(json!({"offset": 4})),
            ),
            (
                json!({"page": {"size": 3}}),
                &[],
                json!(null),
                Some(json!({"number": 2})),
            ),
            (
                json!({"page": {"size": 3, "pages": "/pages"}}),
                &[],
                json!({"pages": 1}),
                None,
            ),
            (
                json!({"page": {"size": 3, "first": 0, "total": "/t"}}),
                &[],
                json!({"t": 7}),
                Some(json!({"number": 1})),
            ),
            (
                json!({"page": {"size": 9, "more": "/more"}}),
                &[],
                json!({"more": true}),
                Some(json!({"number": 2})),
            ),
        ] {
            let paging = paging(way.clone());
            let first = paging.first();
            let expected = next.map(|next| {
                let mut whole = serde_json::to_value(PageState {
                    read: 1,
                    seen: 3,
                    ..first.clone()
                })
                .expect("json");
                for (name, value) in next.as_object().expect("an object") {
                    whole[name] = value.clone();
                }
                Next::Page(serde_json::from_value::<PageState>(whole).expect("a page"))
            });
            assert_eq!(
                paging.next(&first, three, &answer(headers, body)),
                expected.unwrap_or(Next::End),
                "{way}"
            );
        }
    }

    #[test]
    fn a_list_that_repeats_itself_or_is_empty_ends() {
        let cursor = paging(json!({"cursor": {"next": "/next"}}));
        let same = PageState {
            cursor: Some("a".to_owned()),
            ..PageState::default()
        };
        assert_eq!(
            cursor.next(&same, &[], &answer(&[], json!({"next": "a"}))),
            Next::End
        );
        let offset = paging(json!({"offset": {"size": 3, "more": "/more"}}));
        assert_eq!(
            offset.next(&offset.first(), &[], &answer(&[], json!({"more": true}))),
            Next::End
        );
        let tired = PageState {
            read: HARD_PAGE_LIMIT,
            ..PageState::default()
        };
        assert_eq!(
            cursor.next(&tired, &[], &answer(&[], json!({"next": "b"}))),
            Next::Cut
        );
    }

    #[test]
    fn a_list_that_the_app_ends_is_cut_or_begun_anew() {
        let three = json!([{"at": "t1"}, {"at": "t2"}, {"at": "t3"}]);
        let three = three.as_array().expect("a list");
        let more = answer(&[], json!({"next": "b", "total": 9}));
        let anew = json!({"input": "since", "last_item": "/at"});
        let begun = |anew: &str| PageState {
            seen: 3,
            anew: Some(anew.to_owned()),
            ..PageState::default()
        };
        for (way, page, expected) in [
            // Two pages of three are given, and this was the first or the second.
            (
                json!({"cursor": {"size": 3, "next": "/next", "most": {"items": 6}}}),
                PageState::default(),
                Some("goes on"),
            ),
            (
                json!({"cursor": {"size": 3, "next": "/next", "most": {"items": 6}}}),
                PageState {
                    seen: 3,
                    size: 3,
                    ..PageState::default()
                },
                None,
            ),
            (
                json!({"page": {"size": 3, "total": "/total", "most": {"items": 6}}}),
                PageState {
                    number: 2,
                    size: 3,
                    ..PageState::default()
                },
                None,
            ),
            (
                json!({"offset": {"size": 3, "total": "/total", "most": {"items": 6}}}),
                PageState {
                    offset: 3,
                    size: 3,
                    ..PageState::default()
                },
                None,
            ),
            (
                json!({"cursor": {"size": 3, "next": "/next", "most": {"items": 5, "anew": anew}}}),
                begun("t0"),
                Some("t3"),
            ),
            // Everything has the same time: the same would come for ever.
            (
                json!({"cursor": {"size": 3, "next": "/next", "most": {"items": 5, "anew": anew}}}),
                begun("t3"),
                None,
            ),
            (
                json!({"cursor": {"size": 3, "next": "/next", "most": {"items": 5, "anew": {"input": "since", "last_item": "/none"}}}}),
                begun("t0"),
                None,
            ),
        ] {
            let found = match paging(way.clone()).next(&page, three, &more) {
                Next::Page(next) if next.anew.is_some() => {
                    assert_eq!((next.seen, next.cursor), (0, None), "{way}");
                    next.anew
                }
                Next::Page(_) => Some("goes on".to_owned()),
                Next::Cut => None,
                Next::End => panic!("{way} is no end"),
            };
            assert_eq!(found.as_deref(), expected, "{way} {page:?}");
        }
    }
}
