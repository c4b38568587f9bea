//! Rounds of a pair of figures, and what to say of them.

use std::time::Duration;

use crate::figure::median;

/// Rounds of each pair.
pub(crate) const ROUNDS: usize = 5;
/// How long one figure of one round is taken.
pub(crate) const ROUND: Duration = Duration::from_secs(3);

/// Two figures, taken in turn.
pub(crate) struct Pair {
    name: String,
    measured: Vec<f64>,
    baseline: Vec<f64>,
}

impl Pair {
    pub(crate) fn named(name: String) -> Self {
        Self { name, measured: Vec::new(), baseline: Vec::new() }
    }

    /// A round's rate of what is being judged.
    pub(crate) fn measured(&mut self, per_second: f64) {
        self.measured.push(per_second);
    }

    /// A round's rate of what it is judged by.
    pub(crate) fn baseline(&mut self, per_second: f64) {
        self.baseline.push(per_second);
    }
}

/// The median ratio with its extremes, and the median rates behind it.
pub(crate) fn ratio_of(pair: &Pair) -> String {
    let mut ratios: Vec<f64> =
        pair.measured.iter().zip(&pair.baseline).map(|(a, b)| a / b).collect();
    ratios.sort_by(f64::total_cmp);
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    format!(
        "{}: ratio {:.2} (from {least:.2} to {most:.2}); {:.0}/s against {:.0}/s",
        pair.name,
        median(&pair.measured.iter().zip(&pair.baseline).map(|(a, b)| a / b).collect::<Vec<_>>()),
        median(&pair.measured),
        median(&pair.baseline),
    )
}
