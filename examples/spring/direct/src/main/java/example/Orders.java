package example;

import java.lang.reflect.Type;
import org.springframework.messaging.simp.stomp.StompFrameHandler;
import org.springframework.messaging.simp.stomp.StompHeaders;
import org.springframework.messaging.simp.stomp.StompSession;
import org.springframework.stereotype.Component;

/**
 * Takes orders from /topic/orders.USER and answers to /queue/inbox.USER. The subscription is durable, so that
 * orders wait while the application is away. The destination identifies the customer: hoofbeat allows users to
 * send only to their own.
 */
@Component
class Orders {
    private static final String TOPIC = "/topic/orders.";

    void serve(StompSession session) {
        StompHeaders headers = new StompHeaders();
        headers.setId("orders");
        headers.setDestination(TOPIC + "*");
        headers.set("durable", "true");
        headers.setAck("client-individual");
        session.subscribe(headers, new StompFrameHandler() {
            @Override
            public Type getPayloadType(StompHeaders headers) {
                return String.class;
            }

            @Override
            public void handleFrame(StompHeaders headers, Object order) {
                String user = headers.getDestination().substring(TOPIC.length());
                session.send("/queue/inbox." + user, "Accepted: " + order);
                session.acknowledge(headers.getAck(), true);
            }
        });
    }
}
