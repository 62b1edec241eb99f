//! The rules of a run: found by id, index or guid, and what they say as a [`Weakness`].

use gna_domain::import::Weakness;
use std::collections::HashMap;
use std::sync::Arc;

use super::model::{Component, Configuration, Finding, Reference, Rule, Run};
use crate::text;

/// Most weaknesses kept for sharing in one run.
const POOL: usize = 50_000;
/// Most rules that a sub-rule is looked for in.
const PARENTS: usize = 20;

pub struct Rules<'r> {
    run: &'r Run,
    by_id: HashMap<&'r str, &'r Rule>,
    by_guid: HashMap<&'r str, &'r Rule>,
    pool: HashMap<String, Arc<Weakness>>,
}

impl<'r> Rules<'r> {
    pub fn new(run: &'r Run) -> Self {
        let (mut by_id, mut by_guid) = (HashMap::new(), HashMap::new());
        for component in std::iter::once(&run.tool.driver).chain(&run.tool.extensions) {
            for rule in component.rules.iter().filter(|rule| !rule.id.is_empty()) {
                by_id.entry(rule.id.as_str()).or_insert(rule);
                if let Some(guid) = rule.guid.as_deref() {
                    by_guid.entry(guid).or_insert(rule);
                }
            }
        }
        Self {
            run,
            by_id,
            by_guid,
            pool: HashMap::new(),
        }
    }

    /// The rule of a result (§3.27.5 to §3.27.7). The id is believed before the index: tools that
    /// merge or filter runs leave stale indexes. `CA1000/1` is a sub-rule of `CA1000` (§3.52.4).
    pub fn of(&self, result: &Finding) -> Option<&'r Rule> {
        let component = self.component(&result.rule);
        let id = result
            .rule_id
            .as_deref()
            .or(result.rule.id.as_deref())
            .map(str::trim);
        let index = result
            .rule_index
            .or(result.rule.index)
            .and_then(|index| usize::try_from(index).ok());
        let at_index = index.and_then(|index| component.rules.get(index));
        let Some(id) = id else {
            return at_index.or_else(|| self.by_guid(&result.rule));
        };
        if let Some(rule) = at_index.filter(|rule| rule.id == id) {
            return Some(rule);
        }
        // An id of slashes alone would have as many parents, each looked up by its whole length.
        let parents = id.rmatch_indices('/').take(PARENTS).map(|(at, _)| at);
        let names = std::iter::once(id.len()).chain(parents);
        let mut known = names.filter_map(|end| self.by_id.get(id.get(..end)?).copied());
        known.next().or_else(|| {
            at_index.filter(|rule| rule.id.is_empty() || rule.name.as_deref() == Some(id))
        })
    }

    fn by_guid(&self, reference: &Reference) -> Option<&'r Rule> {
        self.by_guid.get(reference.guid.as_deref()?).copied()
    }

    fn component(&self, reference: &Reference) -> &'r Component {
        let tool = &self.run.tool;
        let Some(wanted) = &reference.tool_component else {
            return &tool.driver;
        };
        let by_index = wanted
            .index
            .and_then(|index| tool.extensions.get(usize::try_from(index).ok()?));
        let same = |component: &&Component| {
            (wanted.guid.is_some() && component.guid == wanted.guid)
                || wanted
                    .name
                    .as_deref()
                    .is_some_and(|name| component.name == name)
        };
        by_index
            .or_else(|| tool.extensions.iter().find(same))
            .unwrap_or(&tool.driver)
    }

    /// The configuration by which an invocation overrode a rule's (§3.20.5).
    pub fn overridden(&self, rule: Option<&Rule>) -> Option<&'r Configuration> {
        let rule = rule?;
        self.run
            .invocations
            .iter()
            .flat_map(|invocation| &invocation.rule_configuration_overrides)
            .find(|change| {
                let by_index = change.descriptor.index.and_then(|index| {
                    self.component(&change.descriptor)
                        .rules
                        .get(usize::try_from(index).ok()?)
                });
                change.descriptor.id.as_deref() == Some(rule.id.as_str())
                    || by_index.is_some_and(|found| std::ptr::eq(found, rule))
            })
            .map(|change| &change.configuration)
    }

    /// What is said once about the weakness of a result, shared with all results that say the same.
    pub fn weakness(
        &mut self,
        id: &str,
        rule: Option<&Rule>,
        result: &Finding,
        message: Option<&str>,
    ) -> Arc<Weakness> {
        let cwes = self.cwes(rule, result);
        let own_title = rule.and_then(title);
        // Without a title of the rule, the message is the best there is.
        let title = match own_title {
            Some(title) => title,
            None => text::one_line(message.unwrap_or(id), 200),
        };
        let id = if id.is_empty() {
            text::slug(&title)
        } else {
            id.to_owned()
        };
        let key = format!("{id}\n{title}\n{cwes:?}");
        if let Some(known) = self.pool.get(&key) {
            return Arc::clone(known);
        }
        let weakness = Arc::new(describe(&id, title, cwes, rule, result));
        if self.pool.len() < POOL {
            self.pool.insert(key, Arc::clone(&weakness));
        }
        weakness
    }

    fn cwes(&self, rule: Option<&Rule>, result: &Finding) -> Vec<u32> {
        let mut texts: Vec<&str> = Vec::new();
        let bags = [Some(&result.properties), rule.map(|rule| &rule.properties)];
        for bag in bags.into_iter().flatten() {
            texts.extend(bag.cwe.iter().chain(&bag.cwes).map(String::as_str));
            // A tag may be any word; only those that say CWE count.
            texts.extend(
                bag.tags
                    .iter()
                    .map(String::as_str)
                    .filter(|tag| tag.to_ascii_lowercase().contains("cwe")),
            );
        }
        let numbers = text::cwes(texts);
        let relations = rule
            .into_iter()
            .flat_map(|rule| &rule.relationships)
            .map(|relation| &relation.target);
        let taxa = result.taxa.iter().chain(relations);
        text::unique(
            numbers
                .into_iter()
                .chain(taxa.filter_map(|taxon| self.cwe_of(taxon))),
        )
    }

    /// The number of a taxon, if its taxonomy is CWE.
    fn cwe_of(&self, taxon: &Reference) -> Option<u32> {
        let wanted = taxon.tool_component.as_ref();
        let taxonomy = wanted.and_then(|wanted| {
            let by_index = wanted
                .index
                .and_then(|index| self.run.taxonomies.get(usize::try_from(index).ok()?));
            by_index.or_else(|| {
                self.run
                    .taxonomies
                    .iter()
                    .find(|known| wanted.guid.is_some() && known.guid == wanted.guid)
            })
        });
        let name = wanted
            .and_then(|wanted| wanted.name.as_deref())
            .or(taxonomy.map(|taxonomy| taxonomy.name.as_str()));
        let in_taxonomy = || {
            let index = usize::try_from(taxon.index?).ok()?;
            taxonomy?.taxa.get(index).map(|taxon| taxon.id.as_str())
        };
        let id = taxon.id.as_deref().or_else(in_taxonomy)?;
        let is_cwe = name.is_some_and(|name| name.to_ascii_uppercase().contains("CWE"))
            || id
                .get(..4)
                .is_some_and(|start| start.eq_ignore_ascii_case("CWE-"));
        if is_cwe { text::cwe(id) } else { None }
    }
}

fn title(rule: &Rule) -> Option<String> {
    // Some tools repeat the id as the name, which says nothing to people.
    let name = rule.name.as_deref().filter(|name| *name != rule.id);
    let short = rule
        .short_description
        .plain()
        .filter(|short| *short != rule.id);
    let full = rule
        .full_description
        .plain()
        .filter(|full| full.len() <= 200);
    short
        .or(full)
        .or(name)
        .map(|title| text::one_line(title, 300))
}

fn describe(
    id: &str,
    title: String,
    cwes: Vec<u32>,
    rule: Option<&Rule>,
    result: &Finding,
) -> Weakness {
    let bags: Vec<_> = [Some(&result.properties), rule.map(|rule| &rule.properties)]
        .into_iter()
        .flatten()
        .collect();
    let mut identifiers = text::identifiers(id);
    identifiers.extend(text::identifier(id));
    identifiers.extend(
        rule.and_then(|rule| rule.name.as_deref())
            .map(text::identifiers)
            .unwrap_or_default(),
    );
    identifiers.extend(
        bags.iter()
            .flat_map(|bag| &bag.tags)
            .filter_map(|tag| text::identifier(tag)),
    );
    let description = rule.and_then(|rule| {
        let full = rule.full_description.plain().filter(|full| *full != title);
        full.or_else(|| {
            rule.short_description
                .plain()
                .filter(|short| *short != title)
        })
    });
    let given = bags
        .iter()
        .flat_map(|bag| bag.references.iter().chain(&bag.reference));
    let help = rule.and_then(|rule| rule.help_uri.as_ref());
    let addresses = help.into_iter().chain(given).map(|address| address.trim());
    let references = text::unique(addresses.filter(|address| address.contains("://")));
    Weakness {
        rule: id.to_owned(),
        title,
        description: description.map(str::to_owned),
        recommendation: rule.and_then(|rule| rule.help.plain()).map(str::to_owned),
        references: references.into_iter().map(str::to_owned).collect(),
        cwes,
        identifiers: text::in_order(identifiers),
        cvss: vec![],
    }
}
