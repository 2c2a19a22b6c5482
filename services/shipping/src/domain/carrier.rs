//! Who carries a shipment, and its tracking number: both follow from its id, so that booking needs
//! no random and no call. A real carrier's API would take this place, behind an event of its own.

use kernel::ShipmentId;

/// Names, and what their tracking numbers begin with.
const CARRIERS: [(&str, &str); 3] =
    [("Nordwind Parcel", "NW"), ("Swift Post", "SP"), ("Blue Van", "BV")];

/// The carrier and the tracking number of a shipment.
pub(super) fn of(id: ShipmentId) -> (String, String) {
    let (high, low) = id.0.as_u64_pair();
    // A UUIDv7 has its time in the upper half and its randomness in the lower.
    let digits = high ^ low;
    let (name, prefix) = match digits % 3 {
        0 => CARRIERS[0],
        1 => CARRIERS[1],
        _ => CARRIERS[2],
    };
    (name.to_owned(), format!("{prefix}{digits:016X}"))
}
