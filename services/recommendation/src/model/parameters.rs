//! The model's parameters, with tuned defaults.

/// What can be tuned. The defaults were chosen by forward-chaining cross-validation on the last six days of the
/// training clicks: learn everything before a day, score that day. The six days before those, which no choice saw, gain
/// as much over plain VMIS-kNN (`evaluate --folds 12` against `--folds 6`).
///
/// Sources: VMIS-kNN (Kersbergen, Sprangers, Schelter, SIGMOD 2022) for the index, `sessions_per_item`, `neighbours`
/// and `context_decay`; STAN (Garg et al., SIGIR 2019) and VSTAN (Ludewig et al., UMUAI 2021) for weights that fall with
/// the position in the current session and with the distance behind the matching item; sequential rules (Kamehkhosh,
/// Jannach, Ludewig, 2017) for the form `1 / distance`; repeat consumption (Anderson et al., WWW 2014) for returns.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameters {
    /// How many sessions are retained, over all shards. The oldest go first.
    pub sessions_retained: usize,
    /// How many orders are retained, over all shards.
    pub orders_retained: usize,
    /// How many of a session's newest clicks are retained, at most 64.
    pub clicks_per_session: usize,
    /// A pause longer than this ends a visit: later clicks with the same session id begin another. Milliseconds.
    pub inactivity_ms: i64,

    /// How many distinct items of the current session are looked up, newest first; at most 8.
    pub context_items: usize,
    /// The weight of each item of the current session relative to the one after it.
    pub context_decay: f64,
    /// *m*: how many of an item's most recent sessions are considered.
    pub sessions_per_item: usize,
    /// *k*: how many of these, the most similar and then the most recent, become neighbours.
    pub neighbours: usize,
    /// An item `d` clicks after the matching one counts `1 / (1 + forward_decay * (d - 1))`.
    pub forward_decay: f64,
    /// An item `d` clicks before the matching one counts `backward_weight / (1 + backward_decay * (d - 1))`.
    pub backward_decay: f64,
    /// What lies before counts a little less than what lies as far behind.
    pub backward_weight: f64,
    /// And for `t` minutes between the two, `1 / (1 + gap_decay_per_minute * t)`.
    pub gap_decay_per_minute: f64,
    /// The weight of evidence assumed for every query, in neighbours: with few, the terms below count for more.
    pub smoothing: f64,

    /// The weight of a return to the item seen before the current one.
    pub return_weight: f64,
    /// The `r`-th item back counts `r ^ -return_decay`.
    pub return_decay: f64,
    /// Added when the item followed an earlier click on the current item.
    pub return_followed: f64,
    /// Added when the item preceded an earlier click on the current item.
    pub return_preceded: f64,
    /// An item `d` clicks from that earlier click counts `1 / (1 + return_distance_decay * (d - 1))`.
    pub return_distance_decay: f64,

    /// The weight of the neighbours of the best candidates.
    pub second_order_weight: f64,
    /// How many candidates are expanded so.
    pub second_order_items: usize,
    /// How many of each one's most recent sessions are read.
    pub second_order_sessions: usize,

    /// The weight of what was bought together with the current item. Not tuned: the data have no orders.
    pub bought_weight: f64,
    /// How many of the current item's most recent orders are read.
    pub orders_per_item: usize,
    /// The number of orders assumed without a common item.
    pub bought_smoothing: f64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            sessions_retained: 200_000,
            orders_retained: 100_000,
            clicks_per_session: 64,
            inactivity_ms: 30 * 60 * 1000,
            context_items: 4,
            context_decay: 0.4,
            sessions_per_item: 500,
            neighbours: 100,
            forward_decay: 2.0,
            backward_decay: 1.2,
            backward_weight: 0.9,
            gap_decay_per_minute: 0.3,
            smoothing: 5.0,
            return_weight: 0.3,
            return_decay: 1.5,
            return_followed: 0.6,
            return_preceded: 1.5,
            return_distance_decay: 2.0,
            second_order_weight: 0.2,
            second_order_items: 5,
            second_order_sessions: 10,
            bought_weight: 0.3,
            orders_per_item: 100,
            bought_smoothing: 3.0,
        }
    }
}
