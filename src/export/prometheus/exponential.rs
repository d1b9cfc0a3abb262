//! Exponential histograms: kept as they came, shown as explicit buckets.

use opentelemetry_proto::tonic::metrics::v1::{self as otlp, exponential_histogram_data_point::Buckets};

use super::value::{Exemplar, Invalid};
use crate::limits;

/// The finest scale kept: that of Prometheus' native histograms.
const MAX_SCALE: i32 = 8;
/// The coarsest scale that native histograms know; anything coarser is dropped.
const MIN_SCALE: i32 = -4;

/// Buckets on one side of zero: bucket `i` of scale `s` ends at `2^((i + 1) / 2^s)`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Side {
    /// Index of the first count.
    offset: i64,
    counts: Vec<u64>,
}

/// A cumulative exponential histogram with a bounded number of buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Exponential {
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    positive: Side,
    negative: Side,
    /// Sum of the observations, if the client gave it.
    pub sum: Option<f64>,
    /// Number of observations.
    pub count: u64,
    /// The last exemplar.
    pub exemplar: Option<Exemplar>,
}

impl Side {
    fn from_point(buckets: Option<&Buckets>) -> Side {
        let Some(buckets) = buckets else { return Side::default() };
        let counts = &buckets.bucket_counts;
        let Some(first) = counts.iter().position(|n| *n > 0) else { return Side::default() };
        let last = counts.iter().rposition(|n| *n > 0).unwrap_or(first);
        Side { offset: i64::from(buckets.offset) + first as i64, counts: counts[first..=last].to_vec() }
    }

    /// Buckets that this side spans at a scale coarser by `by`.
    fn span(&self, by: u32) -> usize {
        if self.counts.is_empty() {
            return 0;
        }
        let last = self.offset + self.counts.len() as i64 - 1;
        usize::try_from((last >> by) - (self.offset >> by) + 1).unwrap_or(usize::MAX)
    }

    fn coarser(&self, by: u32) -> Side {
        let mut side = Side { offset: self.offset >> by, counts: vec![0; self.span(by)] };
        for (index, n) in (self.offset..).zip(&self.counts) {
            let at = ((index >> by) - side.offset) as usize;
            side.counts[at] = side.counts[at].saturating_add(*n);
        }
        side
    }

    fn add(&mut self, other: &Side) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            *self = other.clone();
            return;
        }
        let offset = self.offset.min(other.offset);
        let mut counts = vec![0_u64; joint_span(self, other, 0)];
        for side in [&*self, other] {
            for (index, n) in (side.offset..).zip(&side.counts) {
                let at = (index - offset) as usize;
                counts[at] = counts[at].saturating_add(*n);
            }
        }
        *self = Side { offset, counts };
    }

    fn total(&self) -> Option<u64> {
        self.counts.iter().try_fold(0_u64, |a, b| a.checked_add(*b))
    }
}

/// Buckets that two sides span together at a scale coarser by `by`.
fn joint_span(a: &Side, b: &Side, by: u32) -> usize {
    match (a.counts.is_empty(), b.counts.is_empty()) {
        (true, _) => b.span(by),
        (_, true) => a.span(by),
        _ => {
            let first = a.offset.min(b.offset);
            let last = (a.offset + a.counts.len() as i64).max(b.offset + b.counts.len() as i64) - 1;
            usize::try_from((last >> by) - (first >> by) + 1).unwrap_or(usize::MAX)
        }
    }
}

/// Any two buckets meet within this many steps: indices are below 2^33.
const STEPS: u32 = 40;

impl Exponential {
    /// A data point's buckets, at scale 8 or coarser and within the bound of the state.
    ///
    /// # Errors
    /// A scale below -4, or counts that do not add up.
    pub fn from_point(point: &otlp::ExponentialHistogramDataPoint) -> Result<Exponential, Invalid> {
        let mut out = Exponential {
            scale: point.scale,
            zero_count: point.zero_count,
            zero_threshold: if point.zero_threshold.is_finite() {
                point.zero_threshold.max(0.0)
            } else {
                0.0
            },
            positive: Side::from_point(point.positive.as_ref()),
            negative: Side::from_point(point.negative.as_ref()),
            sum: point.sum.filter(|s| s.is_finite()),
            count: point.count,
            exemplar: point.exemplars.iter().rev().find_map(Exemplar::from_point),
        };
        let total = out
            .positive
            .total()
            .zip(out.negative.total())
            .and_then(|(p, n)| p.checked_add(n)?.checked_add(out.zero_count));
        if point.scale < MIN_SCALE || total != Some(point.count) {
            return Err(Invalid);
        }
        let finer = u32::try_from(i64::from(out.scale) - i64::from(MAX_SCALE)).unwrap_or(0);
        // A shift of 40 empties every index there can be; more would be no shift at all.
        out.rescale(finer.min(STEPS));
        out.scale = out.scale.min(MAX_SCALE);
        let by =
            (0..STEPS).find(|by| out.spans(*by) <= limits::PROMETHEUS_EXPONENTIAL_STATE).unwrap_or(STEPS);
        out.rescale(by);
        Ok(out)
    }

    fn spans(&self, by: u32) -> usize {
        self.positive.span(by).max(self.negative.span(by))
    }

    fn rescale(&mut self, by: u32) {
        if by > 0 {
            self.positive = self.positive.coarser(by);
            self.negative = self.negative.coarser(by);
            self.scale = self.scale.saturating_sub(by as i32);
        }
    }

    /// Adds a later delta, at the coarser of both scales or coarser still.
    pub fn add(&mut self, mut more: Exponential) {
        let scale = self.scale.min(more.scale);
        self.rescale((self.scale - scale) as u32);
        more.rescale((more.scale - scale) as u32);
        let fits = |by: u32| {
            joint_span(&self.positive, &more.positive, by).max(joint_span(&self.negative, &more.negative, by))
                <= limits::PROMETHEUS_EXPONENTIAL_STATE
        };
        let by = (0..STEPS).find(|by| fits(*by)).unwrap_or(STEPS);
        self.rescale(by);
        more.rescale(by);
        self.positive.add(&more.positive);
        self.negative.add(&more.negative);
        self.zero_count = self.zero_count.saturating_add(more.zero_count);
        self.zero_threshold = self.zero_threshold.max(more.zero_threshold);
        self.count = self.count.saturating_add(more.count);
        self.sum = self.sum.zip(more.sum).map(|(a, b)| a + b);
        self.exemplar = more.exemplar.or(self.exemplar.take());
    }

    /// Upper bounds and summed-up counts, rising, without infinity: at most `limit` and one for
    /// zero. A coarser scale keeps every second bound, so bounds stay comparable over time.
    pub fn explicit(&self, limit: usize) -> Vec<(f64, u64)> {
        // Half for each side, if both are used.
        let by = (0..STEPS)
            .find(|by| self.positive.span(*by).saturating_add(self.negative.span(*by)) <= limit.max(2))
            .unwrap_or(STEPS);
        let (positive, negative) = (self.positive.coarser(by), self.negative.coarser(by));
        let scale = self.scale.saturating_sub(by as i32);
        let bound = |index: i64| (index as f64 * f64::from(-scale).exp2()).exp2();
        let mut out: Vec<(f64, u64)> = Vec::new();
        let mut total = 0_u64;
        let mut push = |le: f64, n: u64| {
            // -0.0 is 0.0.
            let le = le + 0.0;
            total = total.saturating_add(n);
            match out.last_mut() {
                // Bounds that a float cannot tell apart are one.
                Some(last) if le <= last.0 => last.1 = total,
                _ if le.is_infinite() => {}
                _ => out.push((le, total)),
            }
        };
        for (at, n) in negative.counts.iter().enumerate().rev() {
            push(-bound(negative.offset + at as i64), *n);
        }
        push(self.zero_threshold, self.zero_count);
        for (index, n) in (positive.offset..).zip(&positive.counts) {
            push(bound(index + 1), *n);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(scale: i32, offset: i32, counts: &[u64], zero: u64) -> otlp::ExponentialHistogramDataPoint {
        otlp::ExponentialHistogramDataPoint {
            scale,
            zero_count: zero,
            count: counts.iter().sum::<u64>() + zero,
            sum: Some(1.0),
            positive: Some(Buckets { offset, bucket_counts: counts.to_vec() }),
            ..Default::default()
        }
    }

    /// Scenario: scale 0, three buckets. Guarantee: bounds are the powers of two above each.
    #[test]
    fn bounds_are_powers_of_the_base() {
        let h = Exponential::from_point(&point(0, 0, &[1, 2, 3], 4)).unwrap();
        assert_eq!(h.explicit(32), [(0.0, 4), (2.0, 5), (4.0, 7), (8.0, 10)]);
        let h = Exponential::from_point(&point(1, 0, &[1, 2, 3, 4], 0)).unwrap();
        assert_eq!(h.explicit(2), [(0.0, 0), (2.0, 3), (4.0, 10)]);
    }

    /// Scenario: negative observations. Guarantee: bounds rise, every count is in its place.
    #[test]
    fn negative_buckets_come_first() {
        let mut p = point(0, 0, &[1], 1);
        p.negative = Some(Buckets { offset: 0, bucket_counts: vec![2, 3] });
        p.count += 5;
        let h = Exponential::from_point(&p).unwrap();
        assert_eq!(h.explicit(32), [(-2.0, 3), (-1.0, 5), (0.0, 6), (2.0, 7)]);
    }

    /// Scenario: deltas of other scales and far apart. Guarantee: nothing lost, state bounded.
    #[test]
    fn deltas_merge_at_the_coarser_scale() {
        let mut sum = Exponential::from_point(&point(3, 8, &[1; 8], 0)).unwrap();
        sum.add(Exponential::from_point(&point(0, 1, &[5], 2)).unwrap());
        assert_eq!(sum.scale, 0);
        assert_eq!(sum.explicit(32), [(0.0, 2), (4.0, 15)]);
        sum.add(Exponential::from_point(&point(8, i32::MAX - 3, &[1, 1, 1], 0)).unwrap());
        sum.add(Exponential::from_point(&point(20, i32::MIN, &[1], 0)).unwrap());
        assert!(sum.positive.counts.len() <= limits::PROMETHEUS_EXPONENTIAL_STATE);
        assert_eq!(sum.count, 19);
        assert_eq!(sum.positive.total().unwrap() + sum.zero_count, 19);
        assert!(sum.explicit(4).len() <= 5);
    }

    /// Scenario: a scale that Prometheus does not know, counts that lie. Guarantee: refused.
    #[test]
    fn nonsense_is_refused() {
        assert!(Exponential::from_point(&point(-5, 0, &[1], 0)).is_err());
        let mut p = point(0, 0, &[1], 0);
        p.count = 7;
        assert!(Exponential::from_point(&p).is_err());
        p.positive.as_mut().unwrap().bucket_counts = vec![u64::MAX, u64::MAX];
        assert!(Exponential::from_point(&p).is_err());
    }
}
