package hoofbeat.spring.relay;

import hoofbeat.spring.support.Hoofbeat;
import hoofbeat.spring.support.Inbox;
import java.security.Principal;
import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.event.EventListener;
import org.springframework.http.server.ServerHttpRequest;
import org.springframework.messaging.handler.annotation.MessageMapping;
import org.springframework.messaging.handler.annotation.SendTo;
import org.springframework.messaging.simp.SimpMessagingTemplate;
import org.springframework.messaging.simp.annotation.SendToUser;
import org.springframework.messaging.simp.broker.BrokerAvailabilityEvent;
import org.springframework.messaging.simp.config.MessageBrokerRegistry;
import org.springframework.messaging.simp.user.SimpUserRegistry;
import org.springframework.stereotype.Controller;
import org.springframework.web.socket.WebSocketHandler;
import org.springframework.web.socket.config.annotation.EnableWebSocketMessageBroker;
import org.springframework.web.socket.config.annotation.StompEndpointRegistry;
import org.springframework.web.socket.config.annotation.WebSocketMessageBrokerConfigurer;
import org.springframework.web.socket.config.annotation.WebSocketTransportRegistration;
import org.springframework.web.socket.server.standard.ServletServerContainerFactoryBean;
import org.springframework.web.socket.server.support.DefaultHandshakeHandler;

/** A Spring Boot application with a relay. Its clients state their user: /ws?user=ada. */
@SpringBootConfiguration(proxyBeanMethods = false)
@EnableAutoConfiguration
@EnableWebSocketMessageBroker
class RelayApplication implements WebSocketMessageBrokerConfigurer {
    /** The default size limit of a message through an application. */
    static final int MESSAGE_LIMIT = 2 << 20;

    private final int port;
    private final String passcode;
    private final int limit;
    private final Inbox<Boolean> availability = new Inbox<>("an event of the broker's availability");

    RelayApplication(@Value("${relay.port}") int port, @Value("${relay.passcode}") String passcode, @Value("${relay.limit}") int limit) {
        this.port = port;
        this.limit = limit;
        this.passcode = passcode;
    }

    /** A running application. */
    record Running(ConfigurableApplicationContext context) implements AutoCloseable {
        /** Starts an application on a free port, with a relay to the broker. */
        static Running start(Hoofbeat broker) {
            return start(broker, MESSAGE_LIMIT);
        }

        static Running start(Hoofbeat broker, int limit) {
            return new Running(new SpringApplicationBuilder(RelayApplication.class).run(
                    "--server.port=0", "--server.address=127.0.0.1", "--spring.main.banner-mode=off",
                    "--relay.port=" + broker.tcpPort(), "--relay.passcode=" + Relays.PASSCODE, "--relay.limit=" + limit));
        }

        String url(String user) {
            return "ws://127.0.0.1:" + ((WebServerApplicationContext) context).getWebServer().getPort() + "/ws?user=" + user;
        }

        SimpMessagingTemplate template() {
            return context.getBean(SimpMessagingTemplate.class);
        }

        SimpUserRegistry users() {
            return context.getBean(SimpUserRegistry.class);
        }

        /** The BrokerAvailabilityEvents so far. */
        Inbox<Boolean> availability() {
            return context.getBean(RelayApplication.class).availability;
        }

        @Override
        public void close() {
            context.close();
        }
    }

    @Override
    public void configureMessageBroker(MessageBrokerRegistry registry) {
        registry.setApplicationDestinationPrefixes("/app");
        registry.setPreservePublishOrder(true); // otherwise the end of a connection may overtake its last messages
        registry.enableStompBrokerRelay("/topic", "/queue", "/nowhere")
                .setRelayHost("127.0.0.1").setRelayPort(port)
                .setSystemLogin("relay").setSystemPasscode(passcode)
                .setClientLogin("relay").setClientPasscode(passcode)
                .setSystemHeartbeatSendInterval(2000).setSystemHeartbeatReceiveInterval(2000)
                .setUserDestinationBroadcast("/topic/unresolved-user-destination")
                .setUserRegistryBroadcast("/topic/simp-user-registry");
    }

    @Override
    public void registerStompEndpoints(StompEndpointRegistry registry) {
        registry.addEndpoint("/ws").setHandshakeHandler(new DefaultHandshakeHandler() {
            @Override
            protected Principal determineUser(ServerHttpRequest request, WebSocketHandler handler, Map<String, Object> attributes) {
                String name = request.getURI().getQuery().substring("user=".length());
                return () -> name;
            }
        });
    }

    @Override
    public void configureWebSocketTransport(WebSocketTransportRegistration registration) {
        registration.setMessageSizeLimit(limit).setSendBufferSizeLimit(2 * limit);
    }

    @Bean
    ServletServerContainerFactoryBean container() {
        ServletServerContainerFactoryBean container = new ServletServerContainerFactoryBean();
        container.setMaxTextMessageBufferSize(limit);
        container.setMaxBinaryMessageBufferSize(limit);
        return container;
    }

    @EventListener
    void availability(BrokerAvailabilityEvent event) {
        availability.put(event.isBrokerAvailable());
    }

    record Greeting(String text) {}

    @Controller // found as a member of the configuration
    static class Greeter {
        @MessageMapping("/greet")
        @SendTo("/topic/greetings")
        Greeting greet(Greeting name) {
            return new Greeting("Hello " + name.text());
        }

        @MessageMapping("/whisper")
        @SendToUser("/queue/own")
        Greeting whisper(Greeting name, Principal user) {
            return new Greeting("Hello " + name.text() + ", only for " + user.getName());
        }
    }
}
