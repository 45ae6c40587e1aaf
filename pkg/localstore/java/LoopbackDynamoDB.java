import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/** Starts DynamoDB Local on loopback alone. Its own main listens on every address, and has no flag for that. */
public class LoopbackDynamoDB {
    public static void main(String[] args) throws Exception {
        DynamoDBProxyServer proxy = ServerRunner.createServerFromCommandLineArgs(args);
        int bound = 0;
        for (var field : DynamoDBProxyServer.class.getDeclaredFields()) {
            if (!Server.class.isAssignableFrom(field.getType())) {
                continue;
            }
            field.setAccessible(true);
            for (Connector connector : ((Server) field.get(proxy)).getConnectors()) {
                ((ServerConnector) connector).setHost("127.0.0.1");
                bound++;
            }
        }
        if (bound == 0) {
            throw new IllegalStateException("this version of DynamoDB Local cannot be bound to loopback");
        }
        proxy.start();
        proxy.join();
    }
}
