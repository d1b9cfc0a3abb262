//! What a series holds: cumulative values, made so from deltas where need be.

use opentelemetry_proto::tonic::metrics::v1 as otlp;

use super::exponential::Exponential;
use crate::limits;

/// A point that cannot be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid;

/// The value of one series, always cumulative.
#[derive(Debug, Clone)]
pub enum Value {
    /// A counter or a gauge.
    Number(f64),
    /// Explicit buckets.
    Histogram(Histogram),
    /// Exponential buckets, kept as they are: shown as explicit ones in text, and ready for
    /// native histograms.
    Exponential(Exponential),
    /// Quantiles, as the client computed them.
    Summary(Summary),
}

/// Explicit buckets.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Upper bounds, rising, without infinity.
    pub bounds: Box<[f64]>,
    /// Observations in each bucket (not summed up), one more than `bounds`.
    pub counts: Box<[u64]>,
    /// Sum of the observations, if the client gave it.
    pub sum: Option<f64>,
    /// The last exemplar of each bucket; empty if there never was one.
    pub exemplars: Box<[Option<Exemplar>]>,
}

/// Quantiles.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Quantile and value.
    pub quantiles: Box<[(f64, f64)]>,
    /// Sum of the observations.
    pub sum: f64,
    /// Number of observations.
    pub count: u64,
}

/// A measurement that a trace tells more of.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// The measurement.
    pub value: f64,
    /// When, in nanoseconds since the epoch; 0 if not known.
    pub time: u64,
    /// Its trace.
    pub trace_id: [u8; 16],
    /// Its span, if known.
    pub span_id: Option<[u8; 8]>,
}

impl Value {
    /// Adds a later delta; what does not fit (other buckets) replaces the value.
    /// `false` says that it was replaced.
    pub fn add(&mut self, delta: Value) -> bool {
        match (&mut *self, delta) {
            (Value::Number(sum), Value::Number(more)) => *sum += more,
            (Value::Histogram(sum), Value::Histogram(more)) if sum.bounds == more.bounds => sum.add(more),
            (Value::Exponential(sum), Value::Exponential(more)) => sum.add(more),
            (_, other) => {
                *self = other;
                return false;
            }
        }
        true
    }

    /// How many Prometheus series this is.
    pub fn weight(&self, exponential_buckets: usize) -> usize {
        match self {
            Value::Number(_) => 1,
            Value::Histogram(h) => h.counts.len() + 2,
            Value::Exponential(_) => exponential_buckets + 4,
            Value::Summary(s) => s.quantiles.len() + 2,
        }
    }
}

impl Histogram {
    fn add(&mut self, more: Histogram) {
        for (sum, n) in self.counts.iter_mut().zip(&more.counts) {
            *sum = sum.saturating_add(*n);
        }
        self.sum = self.sum.zip(more.sum).map(|(a, b)| a + b);
        self.keep_exemplars(more.exemplars);
    }

    /// Takes newer exemplars, bucket by bucket.
    pub fn keep_exemplars(&mut self, newer: Box<[Option<Exemplar>]>) {
        if self.exemplars.is_empty() {
            self.exemplars = newer;
            return;
        }
        for (old, new) in self.exemplars.iter_mut().zip(newer) {
            if new.is_some() {
                *old = new;
            }
        }
    }

    /// A data point's buckets.
    ///
    /// # Errors
    /// Bounds that do not rise, counts that do not fit them, or too many.
    pub fn from_point(point: &otlp::HistogramDataPoint) -> Result<Histogram, Invalid> {
        let mut bounds = point.explicit_bounds.clone();
        let mut counts = point.bucket_counts.clone();
        if counts.is_empty() {
            // Only count and sum: one bucket, without an end.
            bounds.clear();
            counts.push(point.count);
        }
        if bounds.last() == Some(&f64::INFINITY) && counts.len() == bounds.len() + 1 {
            bounds.pop();
            let beyond = counts.pop().unwrap_or_default();
            if let Some(last) = counts.last_mut() {
                *last = last.saturating_add(beyond);
            }
        }
        let rising = bounds.windows(2).all(|w| w[0] < w[1]) && bounds.iter().all(|b| b.is_finite());
        let total = counts.iter().try_fold(0_u64, |a, b| a.checked_add(*b));
        if !rising
            || counts.len() != bounds.len() + 1
            || bounds.len() > limits::PROMETHEUS_BUCKETS
            || total != Some(point.count)
        {
            return Err(Invalid);
        }
        let mut exemplars = Vec::new();
        for exemplar in point.exemplars.iter().filter_map(Exemplar::from_point) {
            if exemplars.is_empty() {
                exemplars.resize(counts.len(), None);
            }
            let bucket = bounds.partition_point(|b| *b < exemplar.value);
            exemplars[bucket] = Some(exemplar);
        }
        // A sum that is not a number, or of negative observations too, is no counter.
        let sum = point.sum.filter(|s| s.is_finite());
        Ok(Histogram { bounds: bounds.into(), counts: counts.into(), sum, exemplars: exemplars.into() })
    }
}

impl Summary {
    /// A data point's quantiles.
    ///
    /// # Errors
    /// A quantile outside 0..=1, twice the same, or too many.
    pub fn from_point(point: &otlp::SummaryDataPoint) -> Result<Summary, Invalid> {
        let mut quantiles: Vec<(f64, f64)> =
            point.quantile_values.iter().map(|q| (q.quantile, q.value)).collect();
        quantiles.sort_by(|a, b| a.0.total_cmp(&b.0));
        if quantiles.len() > limits::PROMETHEUS_BUCKETS
            || quantiles.iter().any(|(q, _)| !(0.0..=1.0).contains(q))
            || quantiles.windows(2).any(|w| w[0].0 == w[1].0)
            || !point.sum.is_finite()
        {
            return Err(Invalid);
        }
        Ok(Summary { quantiles: quantiles.into(), sum: point.sum, count: point.count })
    }
}

impl Exemplar {
    /// An exemplar that names its trace; others say nothing that a dashboard could follow.
    pub fn from_point(exemplar: &otlp::Exemplar) -> Option<Exemplar> {
        let trace_id: [u8; 16] = exemplar.trace_id.as_slice().try_into().ok()?;
        let value = match exemplar.value? {
            otlp::exemplar::Value::AsDouble(d) => d,
            otlp::exemplar::Value::AsInt(i) => i as f64,
        };
        (trace_id != [0; 16] && value.is_finite()).then_some(Exemplar {
            value,
            time: exemplar.time_unix_nano,
            trace_id,
            span_id: exemplar.span_id.as_slice().try_into().ok(),
        })
    }
}

/// The number of a data point.
pub fn number(point: &otlp::NumberDataPoint) -> Result<f64, Invalid> {
    match point.value.ok_or(Invalid)? {
        otlp::number_data_point::Value::AsDouble(d) => Ok(d),
        otlp::number_data_point::Value::AsInt(i) => Ok(i as f64),
    }
}
