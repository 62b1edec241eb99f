//! What a parsed condition must not do, found before it is ever evaluated.

use cel::common::ast::{Expr, LiteralValue, SourceInfo, operators};
use cel::parser::Expression;
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;

use super::engine::place;
use super::{COST_LIMIT, LIST_LIMIT, Vocabulary, refused};
use crate::error::{Error, Result};

/// Deepest tree that is evaluated, which takes the caller's stack.
const DEPTH_LIMIT: usize = 40;

/// Most loops inside each other.
const LOOP_LIMIT: usize = 2;

/// Most additions: texts grow by nothing else.
const ADDITION_LIMIT: usize = 16;

/// Most patterns, and the most memory that one of them may take compiled, in bytes.
const PATTERN_LIMIT: usize = 8;
const PATTERN_SIZE: usize = 64 << 10;

/// Everything that may be called.
const CALLS: &[&str] = &[
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::NOT_STRICTLY_FALSE,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::INDEX,
    operators::IN,
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "double",
    "string",
];

pub struct Check<'a> {
    vocabulary: Vocabulary,
    source: &'a str,
    places: &'a SourceInfo,
    /// Names that loops give, innermost last.
    scope: Vec<&'a str>,
    loops: usize,
    additions: usize,
    patterns: HashMap<String, Regex>,
}

impl<'a> Check<'a> {
    pub fn new(vocabulary: Vocabulary, source: &'a str, places: &'a SourceInfo) -> Self {
        Self {
            vocabulary,
            source,
            places,
            scope: Vec::new(),
            loops: 0,
            additions: 0,
            patterns: HashMap::new(),
        }
    }

    /// The patterns of the condition, if there is nothing to say against it.
    pub fn run(mut self, expression: &'a Expression) -> Result<HashMap<String, Regex>> {
        let cost = self.cost(expression, 0)?;
        if cost > COST_LIMIT {
            let sentence = format!(
                "it could take {cost} steps of {COST_LIMIT} at most; loop over less, or not inside a loop"
            );
            return Err(Error::limit("condition.too_costly", sentence).on_field("condition"));
        }
        Ok(self.patterns)
    }

    /// The most steps that it can take.
    fn cost(&mut self, node: &'a Expression, depth: usize) -> Result<u64> {
        if depth > DEPTH_LIMIT {
            return Err(self.says(
                node,
                Error::invalid("condition.too_costly", "it nests too deeply here"),
            ));
        }
        match &node.expr {
            Expr::Literal(_) => Ok(1),
            Expr::Ident(name) => self.name(node, name),
            Expr::Select(select) => match path(node) {
                Some((root, path)) if !self.scope.contains(&root) => self.name(node, &path),
                _ => Ok(1 + self.cost(&select.operand, depth + 1)?),
            },
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                if !CALLS.contains(&name) {
                    let sentence = format!("there is no function {name:.40} in conditions");
                    return Err(
                        self.says(node, Error::invalid("condition.not_supported", sentence))
                    );
                }
                if name == operators::ADD {
                    self.additions += 1;
                    if self.additions > ADDITION_LIMIT {
                        let sentence = format!("there may be {ADDITION_LIMIT} additions");
                        return Err(
                            self.says(node, Error::invalid("condition.too_costly", sentence))
                        );
                    }
                }
                if name == "matches" {
                    self.pattern(node, call.args.last())?;
                }
                let mut cost = match name {
                    operators::IN | "contains" | "matches" => u64_of(LIST_LIMIT),
                    _ => 1,
                };
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    cost = cost.saturating_add(self.cost(part, depth + 1)?);
                }
                Ok(cost)
            }
            Expr::List(list) => {
                let mut cost = 1_u64;
                for element in &list.elements {
                    cost = cost.saturating_add(self.cost(element, depth + 1)?);
                }
                Ok(cost)
            }
            Expr::Comprehension(around) => {
                if matches!(around.accu_init.expr, Expr::List(_)) {
                    return Err(self.says(
                        node,
                        Error::invalid(
                            "condition.not_supported",
                            "map and filter are not in conditions; use exists, exists_one or all",
                        ),
                    ));
                }
                self.loops += 1;
                if self.loops > LOOP_LIMIT {
                    let sentence = format!("at most {LOOP_LIMIT} loops may be inside each other");
                    return Err(self.says(node, Error::invalid("condition.too_costly", sentence)));
                }
                let range = self.cost(&around.iter_range, depth + 1)?;
                let times = match &around.iter_range.expr {
                    Expr::List(list) => list.elements.len(),
                    _ => LIST_LIMIT,
                };
                let known = self.scope.len();
                self.scope.push(&around.iter_var);
                self.scope.extend(around.iter_var2.as_deref());
                self.scope.push(&around.accu_var);
                let mut each = 0_u64;
                for part in [&around.loop_cond, &around.loop_step] {
                    each = each.saturating_add(self.cost(part, depth + 1)?);
                }
                let result = self.cost(&around.result, depth + 1)?;
                self.scope.truncate(known);
                self.loops -= 1;
                Ok(range
                    .saturating_add(each.saturating_mul(u64_of(times)))
                    .saturating_add(result))
            }
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => Err(self.says(
                node,
                Error::invalid(
                    "condition.not_supported",
                    "maps and messages are not in conditions",
                ),
            )),
        }
    }

    fn name(&self, node: &Expression, path: &str) -> Result<u64> {
        if self.scope.contains(&path) || self.vocabulary.has(path) {
            return Ok(1);
        }
        let sentence = format!("there is no {path:.60} here");
        Err(self.says(node, Error::invalid("condition.unknown_name", sentence)))
    }

    /// Patterns are known beforehand, so that none is compiled while something waits.
    fn pattern(&mut self, node: &Expression, argument: Option<&Expression>) -> Result<()> {
        let Some(Expr::Literal(LiteralValue::String(pattern))) =
            argument.map(|argument| &argument.expr)
        else {
            return Err(self.says(
                node,
                Error::invalid(
                    "condition.pattern",
                    "a pattern must stand in the condition itself, between quotes",
                ),
            ));
        };
        let pattern = pattern.inner();
        let compiled = RegexBuilder::new(pattern)
            .size_limit(PATTERN_SIZE)
            .build()
            .map_err(|_| {
                self.says(
                    node,
                    Error::invalid(
                        "condition.pattern",
                        "the pattern is not a regular expression, or too large a one",
                    ),
                )
            })?;
        self.patterns.insert(pattern.to_owned(), compiled);
        if self.patterns.len() > PATTERN_LIMIT {
            let sentence = format!("there may be {PATTERN_LIMIT} patterns");
            return Err(self.says(node, Error::invalid("condition.too_costly", sentence)));
        }
        Ok(())
    }

    /// The refusal with the place it is about.
    fn says(&self, node: &Expression, refusal: Error) -> Error {
        let place = place(self.source, self.places, node.id);
        let sentence = format!("{place}: {}", refusal.message());
        refused(Error::new(refusal.kind(), refusal.code(), sentence))
    }
}

/// The name that selections spell, `a.b.c`, with its root; None for those on anything else.
fn path(node: &Expression) -> Option<(&str, String)> {
    let mut parts = Vec::new();
    let mut at = &node.expr;
    loop {
        match at {
            Expr::Ident(name) => {
                parts.push(name.as_str());
                parts.reverse();
                return Some((name, parts.join(".")));
            }
            Expr::Select(select) => {
                parts.push(select.field.as_str());
                at = &select.operand.expr;
            }
            _ => return None,
        }
    }
}

fn u64_of(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
