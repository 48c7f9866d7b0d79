//! Renaming tensors by rules, so that files with other names fit a model.

use crate::tensors::Tensors;
use regex::Regex;
use std::collections::BTreeMap;
use std::str::FromStr;

/// One rule: in each name, the first stretch that the pattern matches becomes the replacement.
#[derive(Clone, Debug)]
pub struct Rule {
    text: String,
    pattern: Regex,
    replacement: String,
}

/// Why a rule cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RuleError {
    /// There is no `=` in it.
    #[error("should be PATTERN=REPLACEMENT, for example '^module\\.='")]
    NoReplacement,
    /// The pattern is no regular expression.
    #[error("{0}")]
    Pattern(String),
    /// The replacement names a group that the pattern does not have.
    #[error("the pattern has no group `{group}`{}", braces(group))]
    Group {
        /// The group.
        group: String,
    },
}

/// `$1x` is the group `1x`, which is seldom meant.
fn braces(group: &str) -> String {
    let digits = group.len() - group.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    match digits > 0 && digits < group.len() {
        true => format!("; write ${{{}}}{} for the group `{}`", &group[..digits], &group[digits..], &group[..digits]),
        false => String::new(),
    }
}

impl Rule {
    /// The rule as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        // No tensor has a name with `=`, a pattern may hold one.
        let (pattern, replacement) = text.rsplit_once('=').ok_or(RuleError::NoReplacement)?;
        let pattern = Regex::new(pattern).map_err(|error| RuleError::Pattern(error.to_string()))?;
        let reference = Regex::new(r"\$(?:(\$)|\{([^}]*)\}|(\w+))").expect("the expression is well formed");
        for found in reference.captures_iter(replacement).filter(|found| found.get(1).is_none()) {
            let group = found.get(2).or(found.get(3)).map_or("", |group| group.as_str());
            let known = match group.parse::<usize>() {
                Ok(number) => number < pattern.captures_len(),
                Err(_) => pattern.capture_names().flatten().any(|name| name == group),
            };
            if !known {
                return Err(RuleError::Group { group: group.to_string() });
            }
        }
        Ok(Rule { text: text.to_string(), pattern, replacement: replacement.to_string() })
    }
}

/// Why tensors cannot be renamed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RenameError {
    /// A rule does nothing.
    #[error("--rename '{rule}' matches none of the {names} names{}", example(first))]
    Miss {
        /// The rule.
        rule: String,
        /// How many names there are when its turn comes.
        names: usize,
        /// The first of them.
        first: Option<String>,
    },
    /// Two tensors would have one name.
    #[error("`{first}` and `{second}` would both be called `{name}`")]
    Collision {
        /// The one tensor.
        first: String,
        /// The other.
        second: String,
        /// Their new name.
        name: String,
    },
    /// A tensor would have no name.
    #[error("`{name}` would have an empty name")]
    Empty {
        /// The tensor.
        name: String,
    },
}

fn example(first: &Option<String>) -> String {
    first.as_ref().map_or_else(String::new, |name| format!(", for example `{name}`"))
}

/// Applies rules in order, each to the names that those before it have given. Returns the tensors under their new names, and how many
/// names each rule has matched.
///
/// # Errors
/// When a rule matches nothing, or names collide or become empty.
pub fn rename(tensors: Tensors, rules: &[Rule]) -> Result<(Tensors, Vec<usize>), RenameError> {
    let mut names: Vec<(String, String)> = tensors.keys().map(|name| (name.clone(), name.clone())).collect();
    let mut counts = Vec::with_capacity(rules.len());
    for rule in rules {
        let mut count = 0;
        for (_, name) in names.iter_mut().filter(|(_, name)| rule.pattern.is_match(name)) {
            *name = rule.pattern.replace(name, rule.replacement.as_str()).into_owned();
            count += 1;
        }
        if count == 0 {
            let first = names.first().map(|(_, name)| name.clone());
            return Err(RenameError::Miss { rule: rule.text.clone(), names: names.len(), first });
        }
        counts.push(count);
    }
    let mut taken: BTreeMap<&String, &String> = BTreeMap::new();
    for (old, new) in &names {
        if new.is_empty() {
            return Err(RenameError::Empty { name: old.clone() });
        }
        if let Some(first) = taken.insert(new, old) {
            return Err(RenameError::Collision { first: first.clone(), second: old.clone(), name: new.clone() });
        }
    }
    let renamed = tensors.into_values().zip(names).map(|(tensor, (_, name))| (name, tensor)).collect();
    Ok((renamed, counts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::Tensor;

    fn rules(texts: &[&str]) -> Vec<Rule> {
        texts.iter().map(|text| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))).collect()
    }

    fn tensors(names: &[&str]) -> Tensors {
        let named = names.iter().enumerate().map(|(at, name)| (name.to_string(), Tensor::real(&[], vec![at as f32])));
        named.collect()
    }

    #[test]
    fn rules_apply_one_after_the_other() {
        let given = tensors(&["module.layer1.0.conv.weight", "module.layer2.0.conv.weight", "module.fc.bias"]);
        let table: [(&[&str], &[&str], &[usize]); 4] = [
            (&["^module\\.="], &["fc.bias", "layer1.0.conv.weight", "layer2.0.conv.weight"], &[3]),
            (
                &["^module\\.=", "layer(\\d+)\\.(.*)=stage$1.$2"],
                &["fc.bias", "stage1.0.conv.weight", "stage2.0.conv.weight"],
                &[3, 2],
            ),
            // A group with a name, and one in braces.
            (
                &["layer(?P<n>\\d)=s${n}_block", "s(\\d)_=${1}s"],
                &["module.1sblock.0.conv.weight", "module.2sblock.0.conv.weight", "module.fc.bias"],
                &[2, 2],
            ),
            // The first match alone.
            (&["[oe]="], &["mdule.fc.bias", "mdule.layer1.0.conv.weight", "mdule.layer2.0.conv.weight"], &[3]),
        ];
        for (texts, expected, counts) in table {
            let (renamed, found) = rename(given.clone(), &rules(texts)).unwrap();
            assert_eq!(renamed.keys().collect::<Vec<_>>(), expected, "{texts:?}");
            assert_eq!(found, counts, "{texts:?}");
            let values: Vec<&Tensor> = renamed.values().collect();
            assert!(given.values().all(|tensor| values.contains(&tensor)), "{texts:?}");
        }
        let (swapped, _) = rename(tensors(&["a", "b"]), &rules(&["^a$=c", "^b$=a", "^c$=b"])).unwrap();
        assert_eq!(swapped["b"], tensors(&["a"])["a"]);
    }

    #[test]
    fn what_a_rule_cannot_do_is_said() {
        let given = tensors(&["bn1.weight", "bn2.weight"]);
        for (text, words) in [
            ("conv=c", "--rename 'conv=c' matches none of the 2 names, for example `bn1.weight`"),
            ("bn\\d=bn", "`bn1.weight` and `bn2.weight` would both be called `bn.weight`"),
            ("bn1.*=", "`bn1.weight` would have an empty name"),
        ] {
            let error = rename(given.clone(), &rules(&[text])).unwrap_err().to_string();
            assert_eq!(error, words);
        }
        for (text, words) in [
            ("weights", "should be PATTERN=REPLACEMENT"),
            ("(=x", "unclosed group"),
            ("bn(\\d)=$2", "the pattern has no group `2`"),
            ("bn(\\d)=$1st", "write ${1}st for the group `1`"),
            ("bn=$name", "no group `name`"),
        ] {
            let error = text.parse::<Rule>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!("bn=$$".parse::<Rule>().is_ok());
    }
}
