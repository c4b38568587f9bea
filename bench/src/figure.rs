//! One figure: its rounds, the line that tells of them, and whether it keeps to its target.

use std::time::Duration;

/// A figure, round by round.
#[derive(Debug)]
pub(crate) struct Figure {
    name: String,
    unit: &'static str,
    decimals: usize,
    rounds: Vec<f64>,
}

impl Figure {
    /// A figure in `unit`, told with so many decimals.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str, decimals: usize) -> Self {
        Self { name: name.into(), unit, decimals, rounds: Vec::new() }
    }

    /// A figure of which every round is known.
    pub(crate) fn of(
        name: impl Into<String>,
        unit: &'static str,
        decimals: usize,
        rounds: impl IntoIterator<Item = f64>,
    ) -> Self {
        Self { rounds: rounds.into_iter().collect(), ..Self::new(name, unit, decimals) }
    }

    /// Adds a round.
    pub(crate) fn push(&mut self, value: f64) {
        self.rounds.push(value);
    }

    /// The rounds, in their order.
    pub(crate) fn rounds(&self) -> &[f64] {
        &self.rounds
    }

    /// The median over the rounds.
    pub(crate) fn median(&self) -> f64 {
        median(&self.rounds)
    }

    /// Prints it.
    pub(crate) fn print(&self) {
        println!("  {}", self.line());
    }

    /// Prints it with the most that it may be, and whether it keeps to that.
    pub(crate) fn print_against(&self, most: f64) {
        let verdict = if self.median() <= most { "reached" } else { "NOT REACHED" };
        println!("  {}; at most {most}: {verdict}", self.line());
    }

    fn line(&self) -> String {
        let Self { name, unit, decimals, rounds } = self;
        let (least, most) = rounds
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), each| (a.min(*each), b.max(*each)));
        let median = self.median();
        if rounds.len() < 2 {
            return format!("{name}: {median:.decimals$}{unit}");
        }
        format!("{name}: {median:.decimals$}{unit} (from {least:.decimals$} to {most:.decimals$})")
    }
}

/// The ratio of two figures, round by round.
pub(crate) fn ratio(name: impl Into<String>, of: &[f64], to: &[f64]) -> Figure {
    Figure::of(name, " ×", 3, of.iter().zip(to).map(|(of, to)| of / to))
}

/// So many in so long, each second.
#[expect(clippy::cast_precision_loss, reason = "some hundred thousands")]
pub(crate) fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// The middle of some figures.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
