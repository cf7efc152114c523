package example;

import java.security.Principal;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@RestController
class TokenController {
    record Ticket(String user, String token, long seconds, String url) {}

    private final Tokens tokens;
    private final String url;

    TokenController(Tokens tokens, @Value("${broker.url}") String url) {
        this.tokens = tokens;
        this.url = url;
    }

    /** A token for the logged-in user, its lifetime, and the URL to connect to. */
    @GetMapping("/token")
    Ticket token(Principal user) {
        return new Ticket(user.getName(), tokens.issue(user.getName()), tokens.lifetime().toSeconds(), url);
    }

    /** The keys with which hoofbeat verifies tokens. */
    @GetMapping("/jwks.json")
    Map<String, Object> keys() {
        return tokens.published();
    }
}
