package example;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.security.interfaces.RSAPublicKey;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwsHeader;
import org.springframework.security.oauth2.jwt.JwtClaimsSet;
import org.springframework.security.oauth2.jwt.JwtEncoder;
import org.springframework.security.oauth2.jwt.JwtEncoderParameters;
import org.springframework.security.oauth2.jwt.NimbusJwtEncoder;
import org.springframework.stereotype.Component;

/**
 * Issues the tokens that hoofbeat verifies. A new key is made at each start; if you run several instances, load a
 * shared one from a key store.
 */
@Component
class Tokens {
    private final Duration lifetime;
    private final JWKSet keys;
    private final JwtEncoder encoder;

    Tokens(@Value("${broker.token-lifetime}") Duration lifetime) throws NoSuchAlgorithmException {
        this.lifetime = lifetime;
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        KeyPair pair = generator.generateKeyPair();
        keys = new JWKSet(new RSAKey.Builder((RSAPublicKey) pair.getPublic())
                .privateKey(pair.getPrivate()).keyID(UUID.randomUUID().toString()).build());
        encoder = new NimbusJwtEncoder(new ImmutableJWKSet<>(keys));
    }

    Duration lifetime() {
        return lifetime;
    }

    String issue(String user, String... roles) {
        Instant now = Instant.now();
        var claims = JwtClaimsSet.builder().issuer("shop").audience(List.of("hoofbeat")).subject(user).claim("roles", List.of(roles))
                .issuedAt(now).expiresAt(now.plus(lifetime)).build();
        var header = JwsHeader.with(SignatureAlgorithm.RS256).build();
        return encoder.encode(JwtEncoderParameters.from(header, claims)).getTokenValue();
    }

    /** The public keys. */
    Map<String, Object> published() {
        return keys.toJSONObject(true);
    }
}
