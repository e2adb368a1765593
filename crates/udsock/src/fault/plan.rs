//! The rules of a plan, and the calls that they apply to.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use rustix::io::Errno;

/// The errors that a rule can name.
const ERRORS: [(&str, Errno); 18] = [
    ("EINTR", Errno::INTR),
    ("EAGAIN", Errno::AGAIN),
    ("ENOBUFS", Errno::NOBUFS),
    ("ENOMEM", Errno::NOMEM),
    ("EMFILE", Errno::MFILE),
    ("ENFILE", Errno::NFILE),
    ("ENOSPC", Errno::NOSPC),
    ("ECONNRESET", Errno::CONNRESET),
    ("ECONNABORTED", Errno::CONNABORTED),
    ("ECONNREFUSED", Errno::CONNREFUSED),
    ("ENOTCONN", Errno::NOTCONN),
    ("EMSGSIZE", Errno::MSGSIZE),
    ("ETOOMANYREFS", Errno::TOOMANYREFS),
    ("EPIPE", Errno::PIPE),
    ("EIO", Errno::IO),
    ("EACCES", Errno::ACCESS),
    ("ENOENT", Errno::NOENT),
    ("ENOSYS", Errno::NOSYS),
];

/// Whether a call moves bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transfers {
    Yes,
    No,
}

/// How a rule treats a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Untouched,
    Fails(Errno),
    /// For calls that move bytes.
    AtMost(usize),
    Late(Duration),
}

#[derive(Clone, Copy)]
enum When {
    Every(u64),
    Probably(f64),
}

struct Rule {
    /// `*`: every site.
    site: String,
    fate: Fate,
    when: When,
    /// How often it may still apply.
    times: u64,
}

#[derive(Default)]
struct Counts {
    calls: u64,
    faults: u64,
}

/// A rule that does not follow the grammar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvalidRule(String);

impl fmt::Display for InvalidRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid fault rule: {}", self.0)
    }
}

impl std::error::Error for InvalidRule {}

/// Rules, and the counts of their effects.
pub(crate) struct Plan {
    rules: Vec<Rule>,
    seed: u64,
    counts: BTreeMap<&'static str, Counts>,
}

impl Plan {
    /// Parses rules; an empty text has none.
    ///
    /// # Errors
    ///
    /// The first invalid rule.
    pub(crate) fn new(rules: &str, seed: u64) -> Result<Plan, InvalidRule> {
        let texts = rules.split(',').map(str::trim).filter(|text| !text.is_empty());
        let rules = texts.map(|text| Rule::parse(text).ok_or_else(|| InvalidRule(text.into())));
        Ok(Plan { rules: rules.collect::<Result<_, _>>()?, seed, counts: BTreeMap::new() })
    }

    /// Returns for each site the calls, and how many of them a rule applied to.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        self.counts.iter().map(|(site, counts)| (*site, counts.calls, counts.faults))
    }

    pub(crate) fn fate(&mut self, site: &'static str, transfers: Transfers) -> Fate {
        let counts = self.counts.entry(site).or_default();
        counts.calls += 1;
        for (number, rule) in self.rules.iter_mut().enumerate() {
            let fits = rule.site == "*" || rule.site == site;
            if !fits
                || rule.times == 0
                || (matches!(rule.fate, Fate::AtMost(_)) && transfers == Transfers::No)
            {
                continue;
            }
            let hits = match rule.when {
                When::Every(interval) => counts.calls.is_multiple_of(interval),
                When::Probably(probability) => chance(self.seed, site, number, counts.calls) < probability,
            };
            if hits {
                rule.times -= 1;
                counts.faults += 1;
                return rule.fate;
            }
        }
        Fate::Untouched
    }
}

/// Returns a number from 0 up to but excluding 1, which depends on this call alone and not on other sites.
fn chance(seed: u64, site: &str, rule: usize, call: u64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (seed, site, rule, call).hash(&mut hasher);
    (hasher.finish() >> 11) as f64 / (1_u64 << 53) as f64
}

impl Rule {
    fn parse(text: &str) -> Option<Rule> {
        let mut parts = text.split(':');
        let site = parts.next().filter(|site| !site.is_empty())?;
        let fate = Fate::parse(parts.next()?)?;
        let mut rule = Rule { site: site.into(), fate, when: When::Every(1), times: u64::MAX };
        for part in parts {
            let (name, value) = part.split_once('=')?;
            match name {
                "every" => rule.when = When::Every(value.parse().ok().filter(|&interval| interval > 0)?),
                "p" => rule.when = When::Probably(value.parse().ok()?),
                "times" => rule.times = value.parse().ok()?,
                _ => return None,
            }
        }
        Some(rule)
    }
}

impl Fate {
    fn parse(kind: &str) -> Option<Fate> {
        if let Some((_, errno)) = ERRORS.iter().find(|(name, _)| *name == kind) {
            return Some(Fate::Fails(*errno));
        }
        match kind {
            "short" => Some(Fate::AtMost(1)),
            "zero" => Some(Fate::AtMost(0)),
            _ => kind.strip_prefix("delay=")?.parse().ok().map(Duration::from_millis).map(Fate::Late),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

    use super::*;

    fn fates(plan: &mut Plan, site: &'static str, calls: usize) -> Vec<Fate> {
        (0..calls).map(|_| plan.fate(site, Transfers::Yes)).collect()
    }

    #[test]
    fn a_rule_hits_its_site_alone_and_as_often_as_it_says() {
        let mut plan = Plan::new("accept:EMFILE:every=2:times=2, recv:short", 0).unwrap();
        let (none, fails) = (Fate::Untouched, Fate::Fails(Errno::MFILE));
        assert_eq!(fates(&mut plan, "accept", 6), [none, fails, none, fails, none, none]);
        assert_eq!(fates(&mut plan, "recv", 2), [Fate::AtMost(1); 2]);
        assert_eq!(fates(&mut plan, "send", 1), [none]);
        let counts: Vec<_> = plan.counts().collect();
        assert_eq!(counts, [("accept", 6, 2), ("recv", 2, 2), ("send", 1, 0)]);
    }

    #[test]
    fn only_what_moves_bytes_comes_short() {
        let mut plan = Plan::new("*:zero,*:delay=3", 0).unwrap();
        assert_eq!(plan.fate("recv", Transfers::Yes), Fate::AtMost(0));
        assert_eq!(plan.fate("bind", Transfers::No), Fate::Late(Duration::from_millis(3)));
    }

    #[test]
    fn chance_is_the_seed_s() {
        let draw = |seed| {
            let mut plan = Plan::new("*:EPIPE:p=0.1", seed).unwrap();
            // Calls of another site change nothing.
            fates(&mut plan, "send", seed as usize);
            fates(&mut plan, "recv", 1000)
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let hits = draw(7).iter().filter(|&&fate| fate == Fate::Fails(Errno::PIPE)).count();
        assert!((50..200).contains(&hits), "{hits} of 1000");
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["recv", ":EINTR", "recv:EWHAT", "recv:EINTR:every=0", "recv:EINTR:often", "recv:delay=x"]
        {
            assert_eq!(Plan::new(text, 0).err(), Some(InvalidRule(text.into())), "{text}");
        }
        assert!(Plan::new("", 0).is_ok());
    }
}
