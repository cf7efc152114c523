package hoofbeat.spring.direct;

import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.security.interfaces.RSAPublicKey;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.JwsHeader;
import org.springframework.security.oauth2.jwt.JwtClaimsSet;
import org.springframework.security.oauth2.jwt.JwtEncoderParameters;
import org.springframework.security.oauth2.jwt.NimbusJwtEncoder;

/** Makes tokens as Spring Security does, and serves the key that verifies them. */
final class Issuer implements AutoCloseable {
    static final String NAME = "shop";

    private final NimbusJwtEncoder encoder;
    private final HttpServer server;

    Issuer() throws NoSuchAlgorithmException, IOException {
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        generator.initialize(2048);
        KeyPair pair = generator.generateKeyPair();
        JWKSet keys = new JWKSet(new RSAKey.Builder((RSAPublicKey) pair.getPublic())
                .privateKey(pair.getPrivate()).keyID(UUID.randomUUID().toString()).build());
        encoder = new NimbusJwtEncoder(new ImmutableJWKSet<>(keys));
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        byte[] published = keys.toString(true).getBytes(StandardCharsets.UTF_8);
        server.createContext("/jwks.json", exchange -> {
            exchange.getResponseHeaders().set("Content-Type", "application/jwk-set+json");
            exchange.sendResponseHeaders(200, published.length);
            try (var body = exchange.getResponseBody()) {
                body.write(published);
            }
        });
        server.start();
    }

    String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort() + "/jwks.json";
    }

    String token(String user, String... roles) {
        return token(user, Duration.ofMinutes(5), roles);
    }

    String token(String user, Duration lifetime, String... roles) {
        Instant now = Instant.now();
        var claims = JwtClaimsSet.builder().issuer(NAME).subject(user).claim("roles", List.of(roles))
                .issuedAt(now.minus(Duration.ofMinutes(5))).expiresAt(now.plus(lifetime)).build();
        var header = JwsHeader.with(SignatureAlgorithm.RS256).build();
        return encoder.encode(JwtEncoderParameters.from(header, claims)).getTokenValue();
    }

    @Override
    public void close() {
        server.stop(0);
    }
}
