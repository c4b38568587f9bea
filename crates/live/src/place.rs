//! Folds where a credential is used from into 32 bits, so that a record can tell whether the last use
//! was the same without remembering it.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use foldhash::quality::RandomState;
use symbolon_core::Timestamp;

/// A use from the same place is noted anew after so many seconds.
const GRAIN_S: i64 = 10;

/// Folds places. Keyed at random, so that nobody can choose a client name that passes for another.
#[derive(Debug, Default)]
pub struct PlaceHasher(RandomState);

impl PlaceHasher {
    /// The place of a use: address, client name and head, and which ten seconds it falls into.
    pub fn fold(&self, source: IpAddr, client: &[u8], head: u8, now: Timestamp) -> u32 {
        let period = now.unix_ms().div_euclid(1000 * GRAIN_S);
        let source = match source {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        // Lengths that do not vary first, so that no two places run into each other.
        let mut hasher = self.0.build_hasher();
        hasher.write_u128(source.to_bits());
        hasher.write_i64(period);
        hasher.write_u8(head);
        hasher.write(client);
        u32::try_from(hasher.finish() >> 32).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_same_place_is_the_same_for_ten_seconds() {
        let hasher = PlaceHasher::default();
        let at = Timestamp::from_unix_ms(1_800_000_000_000);
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let first = hasher.fold(here, b"curl", 1, at);

        assert_eq!(first, hasher.fold(here, b"curl", 1, at + Duration::from_millis(9_999)));
        assert_ne!(first, hasher.fold(here, b"curl", 1, at + Duration::from_secs(10)));
        assert_ne!(first, hasher.fold(here, b"wget", 1, at));
        assert_ne!(first, hasher.fold(here, b"curl", 2, at));
    }
}
