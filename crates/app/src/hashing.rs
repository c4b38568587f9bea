//! Password hashing: Argon2id, 19 MiB, 2 passes, 1 lane (OWASP's first choice), peppered from the key
//! ring, on the bounded pool of [`crate::hash_pool`].

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use symbolon_core::judge::PasswordVerdict;
use symbolon_core::secret::Password;
use symbolon_store::users::PasswordRecord;
use zeroize::Zeroizing;

use crate::context::Ctx;
use crate::error::AppError;
pub use crate::hash_pool::{Asker, Hasher, Place, Priority, TurnedAway};
use crate::hash_pool::{Memory, Turn};

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const OUTPUT: usize = 32;
/// Hashes from elsewhere may ask for at most this much, so that no row can exhaust the machine.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const UNREADABLE: AppError = AppError::Corrupt("password hash");

/// Whether a password was right, and whether its hash is of yesterday.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verification {
    /// Whether it was right.
    pub(crate) verdict: PasswordVerdict,
    /// Whether it should be hashed anew: parameters or pepper have changed since.
    pub(crate) stale: bool,
}

/// Hashes a new password.
///
/// # Errors
/// [`AppError::TooMany`] if too many wait already.
pub(crate) async fn hash(
    ctx: &Ctx,
    asker: Asker,
    password: &Password,
) -> Result<PasswordRecord, AppError> {
    let turn = ctx.hasher.line_up(asker)?.turn().await?;
    hash_in_turn(ctx, &turn, password).await
}

/// Hashes a new password by a turn that is held already.
pub(crate) async fn hash_in_turn(
    ctx: &Ctx,
    turn: &Turn,
    password: &Password,
) -> Result<PasswordRecord, AppError> {
    let key = ctx.keys.current();
    let pepper = Zeroizing::new(*ctx.keys.pepper(key).ok_or(AppError::KeyMissing)?);
    let salt: [u8; 16] = ctx.chance.bytes();
    let text = Password::new(password.reveal().to_owned());
    let hash = turn.run(move |memory| hash_anew(&text, &pepper, salt, memory)).await??;
    Ok(PasswordRecord { hash, pepper: key })
}

/// Verifies a password. Without a `record` (no such user, no password yet) as much work is done, and
/// the verdict is that it is wrong.
///
/// # Errors
/// [`AppError::KeyMissing`] if the pepper is gone.
pub(crate) async fn verify(
    ctx: &Ctx,
    turn: &Turn,
    password: &Password,
    record: Option<&PasswordRecord>,
) -> Result<Verification, AppError> {
    let current = ctx.keys.current();
    let key = record.map_or(current, |record| record.pepper);
    let pepper = Zeroizing::new(*ctx.keys.pepper(key).ok_or(AppError::KeyMissing)?);
    let text = Password::new(password.reveal().to_owned());
    let stored = record.map(|record| record.hash.clone());
    turn.run(move |memory| match &stored {
        Some(stored) => verify_stored(&text, stored, &pepper, key != current, memory),
        None => work_in_vain(&text, &pepper, memory),
    })
    .await?
}

fn hash_anew(
    password: &Password,
    pepper: &[u8; 32],
    salt: [u8; 16],
    memory: &mut Memory,
) -> Result<String, AppError> {
    let parameters = parameters()?;
    let params = ParamsString::try_from(&parameters).map_err(|_| UNREADABLE)?;
    let output = output_of(password, pepper, &salt, parameters, memory)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params,
        salt: Some(Salt::new(&salt).map_err(|_| UNREADABLE)?),
        hash: Some(Output::new(&output).map_err(|_| UNREADABLE)?),
    };
    Ok(hash.to_string())
}

fn verify_stored(
    password: &Password,
    stored: &str,
    pepper: &[u8; 32],
    other_key: bool,
    memory: &mut Memory,
) -> Result<Verification, AppError> {
    let hash = PasswordHash::new(stored).map_err(|_| UNREADABLE)?;
    let used = Params::try_from(&hash).map_err(|_| UNREADABLE)?;
    let readable = hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && used.m_cost() <= MOST_MEMORY_KIB;
    let (Some(salt), Some(expected), true) = (hash.salt, hash.hash, readable) else {
        return Err(UNREADABLE);
    };
    let stale =
        other_key || (used.m_cost(), used.t_cost(), used.p_cost()) != (MEMORY_KIB, PASSES, LANES);
    let output = output_of(password, pepper, &salt, used, memory)?;
    // `Output` compares in constant time.
    let right = Output::new(&output).is_ok_and(|output| output == expected);
    let verdict = if right { PasswordVerdict::Right } else { PasswordVerdict::Wrong };
    Ok(Verification { verdict, stale })
}

/// Hashes for nothing, so that an unknown name takes as long as a wrong password.
fn work_in_vain(
    password: &Password,
    pepper: &[u8; 32],
    memory: &mut Memory,
) -> Result<Verification, AppError> {
    let output = output_of(password, pepper, b"no such password", parameters()?, memory)?;
    std::hint::black_box(output);
    Ok(Verification { verdict: PasswordVerdict::Wrong, stale: false })
}

fn output_of(
    password: &Password,
    pepper: &[u8; 32],
    salt: &[u8],
    parameters: Params,
    memory: &mut Memory,
) -> Result<[u8; OUTPUT], AppError> {
    let blocks = parameters.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let algorithm = Algorithm::Argon2id;
    let argon2 = Argon2::new_with_secret(pepper, algorithm, Version::V0x13, parameters);
    let mut output = [0; OUTPUT];
    argon2
        .and_then(|argon2| {
            let password = password.reveal().as_bytes();
            argon2.hash_password_into_with_memory(
                password,
                salt,
                &mut output,
                &mut memory[..blocks],
            )
        })
        .map_err(|_| UNREADABLE)?;
    Ok(output)
}

fn parameters() -> Result<Params, AppError> {
    Params::new(MEMORY_KIB, PASSES, LANES, Some(OUTPUT)).map_err(|_| UNREADABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEPPER: [u8; 32] = [7; 32];

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[test]
    fn a_password_verifies_against_its_own_hash_alone_and_with_its_pepper_alone() {
        let mut memory = Memory::new();
        let stored = hash_anew(&password("violet"), &PEPPER, [1; 16], &mut memory).unwrap();

        let mut verdict = |text: &str, pepper| {
            verify_stored(&password(text), &stored, pepper, false, &mut memory).unwrap().verdict
        };

        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(verdict("violet", &PEPPER), PasswordVerdict::Right);
        assert_eq!(verdict("Violet", &PEPPER), PasswordVerdict::Wrong);
        assert_eq!(verdict("violet", &[8; 32]), PasswordVerdict::Wrong);
    }

    #[test]
    fn a_hash_with_weaker_parameters_is_taken_and_called_stale() {
        let mut memory = Memory::new();
        let weak = Params::new(8 * 1024, 1, 1, Some(OUTPUT)).unwrap();
        let params = ParamsString::try_from(&weak).unwrap();
        let output = output_of(&password("violet"), &PEPPER, &[1; 16], weak, &mut memory).unwrap();
        let stored = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params,
            salt: Some(Salt::new(&[1; 16]).unwrap()),
            hash: Some(Output::new(&output).unwrap()),
        };

        let verification =
            verify_stored(&password("violet"), &stored.to_string(), &PEPPER, false, &mut memory);

        let expected = Verification { verdict: PasswordVerdict::Right, stale: true };
        assert_eq!(verification.unwrap(), expected);
    }
}
