//! HMAC-SHA-256 (RFC 2104) with a key that was made ready once, for digests by the million.
//!
//! What a key contributes to each digest are the states of SHA-256 behind the first block of the inner
//! and of the outer hash. They are worked out once; a digest of one of our secrets is then two or three
//! blocks and nothing else. The block function is `sha2`'s, and tests compare with the crate `hmac`,
//! which copies and wipes its buffers for every digest and takes half as long again. (What is digested
//! lies in the request that presents it, which is not wiped either.)

use sha2::block_api::compress256;
use zeroize::{Zeroize, ZeroizeOnDrop};

const BLOCK: usize = 64;
/// The length of a message stands in the last eight bytes of its last block, in bits.
const LENGTH: usize = 8;
/// FIPS 180-4 §5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A key that is ready. As good as the key: wiped when it is dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct ReadyKey {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl ReadyKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self { inner: state_behind(key, 0x36), outer: state_behind(key, 0x5c) }
    }

    #[inline]
    pub(crate) fn digest(&self, message: &[u8]) -> [u8; 32] {
        let inner = finished(self.inner, message);
        finished(self.outer, &inner)
    }
}

/// The state behind the key's own block.
fn state_behind(key: &[u8; 32], pad: u8) -> [u32; 8] {
    let mut block = [pad; BLOCK];
    for (byte, of_key) in block.iter_mut().zip(key) {
        *byte ^= of_key;
    }
    let mut state = INITIAL;
    compress256(&mut state, &[block]);
    block.zeroize();
    state
}

/// What is hashed at one go: each call of the block function costs a fifth of a block.
const AT_ONE_GO: usize = 2 * BLOCK - 1 - LENGTH;

/// The hash of one block, which has led to `state`, and of `message` behind it.
#[inline]
fn finished(mut state: [u32; 8], message: &[u8]) -> [u8; 32] {
    let mut rest = message;
    if message.len() > AT_ONE_GO {
        let (blocks, behind) = message.as_chunks::<BLOCK>();
        compress256(&mut state, blocks);
        rest = behind;
    }
    let mut last = [[0; BLOCK]; 2];
    let used = if rest.len() < BLOCK - LENGTH { 1 } else { 2 };
    let bytes = last.as_flattened_mut();
    bytes[..rest.len()].copy_from_slice(rest);
    bytes[rest.len()] = 0x80;
    let bits = 8 * (BLOCK + message.len()) as u64;
    bytes[used * BLOCK - LENGTH..used * BLOCK].copy_from_slice(&bits.to_be_bytes());
    compress256(&mut state, &last[..used]);
    let mut hash = [0; 32];
    for (bytes, word) in hash.as_chunks_mut::<4>().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    hash
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    use proptest::prelude::*;
    use sha2::Sha256;

    use super::*;

    fn by_the_crate(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().into()
    }

    #[test]
    fn messages_of_all_lengths_around_blocks_have_the_digest_that_hmac_gives_them() {
        let key = [0x0b; 32];
        for length in 0..=4 * BLOCK {
            let message: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();

            assert_eq!(ReadyKey::new(&key).digest(&message), by_the_crate(&key, &message));
        }
    }

    proptest! {
        #[test]
        fn every_digest_is_the_one_that_hmac_gives(key: [u8; 32], message: Vec<u8>) {
            prop_assert_eq!(ReadyKey::new(&key).digest(&message), by_the_crate(&key, &message));
        }
    }
}
