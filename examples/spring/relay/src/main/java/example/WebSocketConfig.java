package example;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Configuration;
import org.springframework.messaging.simp.config.MessageBrokerRegistry;
import org.springframework.web.socket.config.annotation.EnableWebSocketMessageBroker;
import org.springframework.web.socket.config.annotation.StompEndpointRegistry;
import org.springframework.web.socket.config.annotation.WebSocketMessageBrokerConfigurer;

@Configuration
@EnableWebSocketMessageBroker
class WebSocketConfig implements WebSocketMessageBrokerConfigurer {
    private final String host;
    private final int port;
    private final String login;
    private final String passcode;

    WebSocketConfig(@Value("${broker.host}") String host, @Value("${broker.port}") int port,
            @Value("${broker.login}") String login, @Value("${broker.passcode}") String passcode) {
        this.host = host;
        this.port = port;
        this.login = login;
        this.passcode = passcode;
    }

    @Override
    public void registerStompEndpoints(StompEndpointRegistry registry) {
        registry.addEndpoint("/ws");
    }

    @Override
    public void configureMessageBroker(MessageBrokerRegistry registry) {
        registry.setApplicationDestinationPrefixes("/app");
        registry.enableStompBrokerRelay("/topic", "/queue")
                .setRelayHost(host).setRelayPort(port)
                .setSystemLogin(login).setSystemPasscode(passcode) // what the application itself sends
                .setClientLogin(login).setClientPasscode(passcode) // its clients, one connection each
                // For more than one instance: users are found wherever they are connected.
                .setUserDestinationBroadcast("/topic/unresolved-user-destination")
                .setUserRegistryBroadcast("/topic/simp-user-registry");
        // Messages to a client keep their order, and the end of its connection to the broker does not overtake the last one.
        registry.setPreservePublishOrder(true);
    }
}
