//! `getUserInfo`, and the same description in the answer to `login`.

use symbolon_app::sessions::{self, LiveSession};
use symbolon_app::{Ctx, Settings};
use symbolon_core::id::{Id, Organization};
use symbolon_wire::soap::{self, UserInfoResult};

use crate::heads::ids;
use crate::heads::soap::Call;
use crate::heads::soap::denied::Denied;

/// Bytes of an attachment, as every organization of Salesforce says.
const ATTACHMENT_LIMIT: i32 = 5_242_880;

/// A user with the identifiers that describe him, in their written form.
pub(super) struct Person {
    /// The organization.
    pub(super) organization: Id<Organization>,
    /// 18 characters.
    pub(super) user_id: String,
    organization_id: String,
    profile_id: String,
    session: LiveSession,
}

impl Person {
    /// Whoever holds `session`.
    pub(super) async fn of(ctx: &Ctx, session: LiveSession) -> Result<Self, Denied> {
        let organization = sessions::organization(ctx).await.map_err(|e| Denied::failed(&e))?;
        Ok(Self {
            organization,
            user_id: ids::long(session.user),
            organization_id: ids::long(organization),
            profile_id: ids::long(session.profile),
            session,
        })
    }

    /// Every member of the WSDL. Where we have nothing of the kind, what Salesforce's own
    /// organizations begin with: clients read members without asking.
    pub(super) fn user_info<'a>(&'a self, settings: &'a Settings) -> UserInfoResult<'a> {
        let idle = self.session.session_idle.as_secs();
        UserInfoResult {
            accessibility_mode: false,
            chatter_external: false,
            currency_symbol: Some("$"),
            org_attachment_file_size_limit: ATTACHMENT_LIMIT,
            org_default_currency_iso_code: Some("USD"),
            org_default_currency_locale: Some("en_US"),
            org_disallow_html_attachments: false,
            org_has_person_accounts: false,
            organization_id: &self.organization_id,
            organization_multi_currency: false,
            organization_name: settings.organization.as_str(),
            profile_id: &self.profile_id,
            role_id: None,
            session_seconds_valid: i32::try_from(idle).unwrap_or(i32::MAX),
            user_default_currency_iso_code: None,
            user_email: self.session.email.as_str(),
            user_full_name: self.session.name.as_str(),
            user_id: &self.user_id,
            user_language: "en_US",
            user_locale: "en_US",
            user_name: self.session.username.as_str(),
            user_time_zone: "GMT",
            user_type: "Standard",
            user_ui_skin: "Theme3",
        }
    }
}

/// Describes the caller.
pub(super) async fn get_user_info(call: &Call<'_>, session: LiveSession) -> Result<String, Denied> {
    let person = Person::of(call.ctx(), session).await?;
    let user_info = person.user_info(&call.ctx().settings);
    Ok(soap::get_user_info_response(call.flavor, &user_info))
}
