// Passkeys: asks the browser for one, or for a new one, and sends its answer by the form that the question came in.
// The only script of these pages. Without it the form says what is missing, and every other way is there.
'use strict';

(() => {
  const form = document.querySelector('form[data-passkey]');
  if (!form) return;
  const status = form.querySelector('[role="status"]');
  const button = form.querySelector('button');
  const making = form.dataset.passkey === 'create';

  const bytes = (text) => Uint8Array.from(
    atob(text.replaceAll('-', '+').replaceAll('_', '/')),
    (character) => character.charCodeAt(0),
  );
  const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  const known = (list) => (list ?? []).map((each) => ({ ...each, id: bytes(each.id) }));

  /** The question as the browser wants it: what JSON holds as text is bytes. */
  const question = () => {
    const asked = JSON.parse(form.dataset.options);
    const options = { ...(asked.publicKey ?? asked) };
    options.challenge = bytes(options.challenge);
    if (making) {
      options.user = { ...options.user, id: bytes(options.user.id) };
      options.excludeCredentials = known(options.excludeCredentials);
    } else {
      options.allowCredentials = known(options.allowCredentials);
    }
    return { publicKey: options };
  };

  const answer = (credential) => {
    const { response } = credential;
    const said = making
      ? {
        attestationObject: text(response.attestationObject),
        transports: response.getTransports?.() ?? [],
      }
      : {
        authenticatorData: text(response.authenticatorData),
        signature: text(response.signature),
        userHandle: response.userHandle ? text(response.userHandle) : null,
      };
    return JSON.stringify({
      id: credential.id,
      rawId: text(credential.rawId),
      type: credential.type,
      authenticatorAttachment: credential.authenticatorAttachment ?? null,
      clientExtensionResults: credential.getClientExtensionResults(),
      response: { clientDataJSON: text(response.clientDataJSON), ...said },
    });
  };

  const tell = (words) => { status.textContent = words; };

  const ways = {
    InvalidStateError: 'This device holds a passkey of yours already.',
    NotAllowedError: 'Nothing was chosen, or the time was up. Try again when you are ready.',
    SecurityError: `Passkeys work at ${form.dataset.origin} only. Open Symbolon there.`,
    NotSupportedError: 'This device makes no passkeys of the kind that is asked for.',
  };

  const ask = async () => {
    button.disabled = true;
    tell('Follow what your browser asks.');
    try {
      const options = question();
      const credential = making
        ? await navigator.credentials.create(options)
        : await navigator.credentials.get(options);
      form.elements.namedItem('answer').value = answer(credential);
      tell('One moment.');
      form.submit();
    } catch (error) {
      tell(ways[error.name] ?? `This browser could not do it (${error.name}).`);
      button.disabled = false;
    }
  };

  if (location.origin !== form.dataset.origin) {
    tell(ways.SecurityError);
  } else if (!window.PublicKeyCredential || !navigator.credentials) {
    tell('This browser knows no passkeys. Use another one, or another way.');
  } else {
    button.addEventListener('click', ask);
    ask();
  }
})();
