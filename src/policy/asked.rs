//! [`Asked`]: what a policy set asks of one profile: the raw fields and the line that its policies look at.
//!
//! A rule for Windows asks nothing of the profile of an identity provider, so thousands of foreign rules cost a trail nothing
//! that they are not for.
use super::{Body, FieldRef, PolicySet};
use std::collections::BTreeSet;

/// What the policies that are for a profile's events look at, beside the fields of the event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Raw fields: the index in [`PolicySet::raw_fields`], and the name. In ascending order.
    pub fields: Vec<(usize, String)>,
    /// Some policy looks for keywords.
    pub line: bool,
}

impl Asked {
    /// All of `raw_fields`, and no line.
    pub fn all(raw_fields: &[String]) -> Asked {
        Asked { fields: raw_fields.iter().cloned().enumerate().collect(), line: false }
    }
}

impl PolicySet {
    /// What the set asks of the profile of that name.
    pub fn asked_of(&self, profile: &str) -> Asked {
        let mut wanted: BTreeSet<FieldRef> = BTreeSet::new();
        let mut line = false;
        // whether events of the profile can reach the rule; what is referred to comes before what refers to it
        let mut reached: Vec<bool> = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            let reaches = match &rule.body {
                Body::Detection(matcher) => {
                    let fits = matcher.products().is_none_or(|names| names.iter().any(|name| **name == *profile));
                    if fits {
                        wanted.extend(matcher.fields());
                        line |= matcher.needs_line();
                    }
                    fits
                }
                Body::Correlation(correlation) => {
                    let fits = correlation.rules.iter().any(|rule| reached[*rule]);
                    if fits {
                        wanted.extend(correlation.fields());
                    }
                    fits
                }
            };
            if reaches {
                wanted.extend(rule.scope.fields());
            }
            reached.push(reaches);
        }
        let raw = wanted.into_iter().filter_map(|field| match field {
            FieldRef::Raw(index) => Some((index, self.raw_fields[index].clone())),
            FieldRef::Known(_) => None,
        });
        Asked { fields: raw.collect(), line }
    }
}
