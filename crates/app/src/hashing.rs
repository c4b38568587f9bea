//! Password hashing: Argon2id, 19 MiB, 2 passes, 1 lane (OWASP's first choice), peppered from the key
//! ring, on the bounded pool of [`crate::hash_pool`].

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use symbolon_core::judge::PasswordVerdict;
use symbolon_core::secret::Password;
use symbolon_store::users::PasswordRecord;

use crate::context::Ctx;
use crate::error::AppError;
pub use crate::hash_pool::Hasher;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Hashes from elsewhere may ask for at most this much, so that no row can exhaust the machine.
const MOST_MEMORY_KIB: u32 = 256 * 1024;

/// Whether a password was right, and whether its hash is of yesterday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// Whether it was right.
    pub verdict: PasswordVerdict,
    /// Whether it should be hashed anew: parameters or pepper have changed since.
    pub stale: bool,
}

/// Hashes a new password.
///
/// # Errors
/// [`AppError::Busy`] if too many wait already.
pub async fn hash(ctx: &Ctx, password: &Password) -> Result<PasswordRecord, AppError> {
    let key = ctx.keys.current();
    let pepper = *ctx.keys.pepper(key).ok_or(AppError::KeyMissing)?;
    let salt: [u8; 16] = ctx.chance.bytes();
    let text = Password::new(password.reveal().to_owned());
    let hashed = ctx.hasher.run(move || {
        let hash = argon2(&pepper)?.hash_password_customized(
            text.reveal().as_bytes(),
            &salt,
            None,
            None,
            parameters()?,
        );
        hash.map(|hash| hash.to_string())
    });
    let hash = hashed.await?.map_err(|_| AppError::Corrupt("password hash"))?;
    Ok(PasswordRecord { hash, pepper: key })
}

/// Verifies a password. Without a `record` (no such user, no password yet) as much work is done, and
/// the verdict is that it is wrong.
///
/// # Errors
/// [`AppError::Busy`] if too many wait already; [`AppError::KeyMissing`] if the pepper is gone.
pub async fn verify(
    ctx: &Ctx,
    password: &Password,
    record: Option<&PasswordRecord>,
) -> Result<Verification, AppError> {
    let current = ctx.keys.current();
    let key = record.map_or(current, |record| record.pepper);
    let pepper = *ctx.keys.pepper(key).ok_or(AppError::KeyMissing)?;
    let text = Password::new(password.reveal().to_owned());
    let stored = record.map(|record| record.hash.clone());
    ctx.hasher
        .run(move || match stored {
            Some(stored) => verify_stored(&text, &stored, &pepper, key != current),
            None => work_in_vain(&text, &pepper),
        })
        .await?
}

fn verify_stored(
    password: &Password,
    stored: &str,
    pepper: &[u8; 32],
    other_key: bool,
) -> Result<Verification, AppError> {
    let unreadable = |_| AppError::Corrupt("password hash");
    let hash = PasswordHash::new(stored).map_err(|_| AppError::Corrupt("password hash"))?;
    let used = Params::try_from(&hash).map_err(unreadable)?;
    if used.m_cost() > MOST_MEMORY_KIB {
        return Err(AppError::Corrupt("password hash"));
    }
    let right =
        argon2(pepper).map_err(unreadable)?.verify_password(password.reveal().as_bytes(), &hash);
    let other_parameters =
        (used.m_cost(), used.t_cost(), used.p_cost()) != (MEMORY_KIB, PASSES, LANES);
    Ok(Verification {
        verdict: if right.is_ok() { PasswordVerdict::Right } else { PasswordVerdict::Wrong },
        stale: other_key || other_parameters,
    })
}

/// Hashes for nothing, so that an unknown name takes as long as a wrong password.
fn work_in_vain(password: &Password, pepper: &[u8; 32]) -> Result<Verification, AppError> {
    let mut output = [0; 32];
    argon2(pepper)
        .map_err(|_| AppError::Corrupt("password hash"))?
        .hash_password_into(password.reveal().as_bytes(), b"no such password", &mut output)
        .map_err(|_| AppError::Corrupt("password hash"))?;
    std::hint::black_box(output);
    Ok(Verification { verdict: PasswordVerdict::Wrong, stale: false })
}

fn parameters() -> argon2::password_hash::Result<Params> {
    Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|_| argon2::password_hash::Error::ParamsInvalid)
}

fn argon2(pepper: &[u8; 32]) -> argon2::password_hash::Result<Argon2<'_>> {
    Argon2::new_with_secret(pepper, Algorithm::Argon2id, Version::V0x13, parameters()?)
        .map_err(|_| argon2::password_hash::Error::Crypto)
}
