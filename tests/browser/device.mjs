// A device with a screen lock: Chromium's own virtual authenticator.

/** Gives the page's browser a device with a screen lock, as the DevTools protocol has it. */
export async function addDevice(page) {
  const protocol = await page.context().newCDPSession(page);
  await protocol.send('WebAuthn.enable');
  const { authenticatorId } = await protocol.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  return {
    credentials: async () => (await protocol.send('WebAuthn.getCredentials', { authenticatorId })).credentials,
    verifies: (isUserVerified) => protocol.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified }),
    forget: () => protocol.send('WebAuthn.clearCredentials', { authenticatorId }),
    remove: () => protocol.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId }),
    hold: (credential) => protocol.send('WebAuthn.addCredential', { authenticatorId, credential }),
  };
}
