//! I5 for whatever is asked, in whatever order, and however often.

use proptest::{collection::vec, prelude::*};

use super::*;

/// A warehouse that keeps what the store would keep.
#[derive(Clone, Default)]
struct Warehouse {
    products: BTreeMap<Sku, Product>,
    stock: BTreeMap<Sku, Stock>,
    reservations: BTreeMap<OrderId, Reservation>,
    ledger: Vec<Movement>,
}

impl Warehouse {
    fn handle(&mut self, command: &Command) -> usize {
        let (product, order) = subject(command);
        let known = order.and_then(|id| self.reservations.get(&id).cloned());
        let state = State {
            product: product.as_ref().and_then(|sku| self.products.get(sku).cloned()),
            stock: self.stock.clone(),
            reservation: known.unwrap_or_default(),
            movements: vec![],
        };
        let Ok(happened) = Rules::decide(&state, command.clone()) else { return 0 };
        let state = happened.iter().fold(state, Rules::evolve);
        self.stock = state.stock;
        self.ledger.extend(state.movements);
        if let (Some(sku), Some(product)) = (product, state.product) {
            self.products.insert(sku, product);
        }
        if let Some(id) = order {
            self.reservations.insert(id, state.reservation);
        }
        happened.len()
    }

    fn held(&self, sku: &Sku) -> i64 {
        let live = self.reservations.values().map(|reservation| match reservation {
            Reservation::Live(held) => held.lines.get(sku).copied().unwrap_or_default(),
            _ => 0,
        });
        live.map(i64::from).sum()
    }

    fn counted(&self, sku: &Sku) -> i64 {
        let of_it = self.ledger.iter().filter(|entry| entry.sku == *sku);
        of_it.map(|entry| entry.delta).sum()
    }

    fn check(&self) -> Result<(), TestCaseError> {
        for (sku, stock) in &self.stock {
            prop_assert!((0..=stock.on_hand).contains(&stock.reserved), "{sku}: {stock:?}");
            prop_assert_eq!(stock.on_hand, self.counted(sku));
            prop_assert_eq!(stock.reserved, self.held(sku));
        }
        Ok(())
    }
}

fn subject(command: &Command) -> (Option<Sku>, Option<OrderId>) {
    match command {
        Command::PutProduct { sku, .. } | Command::AdjustStock { sku, .. } => {
            (Some(sku.clone()), None)
        }
        Command::Reserve { order_id, .. }
        | Command::Confirm { order_id }
        | Command::Release { order_id, .. }
        | Command::Commit { order_id, .. }
        | Command::Report { order_id } => (None, Some(*order_id)),
    }
}

fn skus() -> impl Strategy<Value = Sku> {
    prop_oneof![Just(sku("cup")), Just(sku("pot")), Just(sku("tea"))]
}

fn orders() -> impl Strategy<Value = OrderId> {
    (0..6_u128).prop_map(|n| OrderId(Uuid::from_u128(n)))
}

fn commands() -> impl Strategy<Value = Command> {
    let lines = proptest::collection::btree_map(skus(), 1..5_i32, 1..4);
    prop_oneof![
        1 => skus().prop_map(|sku| Command::PutProduct { sku, details: details() }),
        3 => (skus(), -6..12_i64).prop_map(|(sku, delta)| {
            Command::AdjustStock { sku, delta, reason: "count".into(), now: NOW }
        }),
        4 => (orders(), lines)
            .prop_map(|(order_id, lines)| Command::Reserve { order_id, lines, now: NOW }),
        1 => orders().prop_map(|order_id| Command::Confirm { order_id }),
        2 => orders().prop_map(|order_id| Command::Release { order_id, now: NOW }),
        2 => orders().prop_map(|order_id| Command::Commit { order_id, now: NOW }),
        1 => orders().prop_map(|order_id| Command::Report { order_id }),
    ]
}

proptest! {
    #[test]
    fn stock_is_conserved_whatever_is_asked(commands in vec(commands(), 1..80)) {
        let mut warehouse = Warehouse::default();
        for name in ["cup", "pot", "tea"] {
            warehouse.handle(&Command::PutProduct { sku: sku(name), details: details() });
        }
        for command in &commands {
            warehouse.handle(command);
            warehouse.check()?;
        }
    }

    /// I4: an adjustment is a request, and its repeat is known by its key; all else is known by
    /// what became of it.
    #[test]
    fn a_repeat_at_any_later_moment_changes_nothing(
        commands in vec(commands(), 1..60),
        repeated in any::<prop::sample::Index>(),
    ) {
        let mut warehouse = Warehouse::default();
        for name in ["cup", "pot", "tea"] {
            warehouse.handle(&Command::PutProduct { sku: sku(name), details: details() });
            let (sku, reason) = (sku(name), "delivery".to_owned());
            warehouse.handle(&Command::AdjustStock { sku, delta: 20, reason, now: NOW });
        }
        for command in &commands {
            warehouse.handle(command);
        }
        let again = repeated.get(&commands);
        // An order that was reported or confirmed while it was unknown is the only one for which
        // the same words mean something later; neither touches the stock.
        let matters = !matches!(
            again,
            Command::AdjustStock { .. } | Command::Confirm { .. } | Command::Report { .. }
        );
        if matters {
            prop_assert_eq!(warehouse.handle(again), 0, "{:?}", again);
        }
    }
}
