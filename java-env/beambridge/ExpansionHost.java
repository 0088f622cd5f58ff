// SPDX-License-Identifier: Apache-2.0
// Beam's expansion service for Java as this package runs it. Beam's own main listens on all addresses of a
// machine and does what anybody there asks. This one has the same services on a port of 127.0.0.1 that the
// kernel picks, says which, and wants to be shown a secret.
//
// Beam carries gRPC under a name that changes with its releases, so all of it is reached by reflection. The
// class file beside this one is what is run, since a Java machine need not have a compiler:
//   javac --release 11 -g:none -d java-env java-env/beambridge/ExpansionHost.java

package beambridge;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Map;

public final class ExpansionHost {
  private static final String TOKEN_VARIABLE = "BEAMBRIDGE_JAVA_TOKEN";
  private static final String SERVICE = "org.apache.beam.sdk.expansion.service.ExpansionService";
  private static final String OPTIONS = "org.apache.beam.sdk.options.PipelineOptions";
  private static final String WORKERS = "org.apache.beam.fn.harness.ExternalWorkerService";
  private static final String POOL =
      "org.apache.beam.model.fnexecution.v1.BeamFnExternalWorkerPoolGrpc";
  /** What Java's harness measures its caches with; without it a worker ends as it begins. */
  private static final String METER = "org.github.jamm.MemoryMeter";

  private final String token;
  private final byte[] bearer;
  /** Where Beam's copy of gRPC is. */
  private final String grpc;

  private ExpansionHost(String token, String grpc) {
    this.token = token;
    this.bearer = utf8("Bearer " + token);
    this.grpc = grpc;
  }

  /** Arguments are options of Beam's expansion service, as its own main takes them after the port. */
  public static void main(String[] args) throws Throwable {
    try {
      serve(args);
    } catch (ClassNotFoundException missing) {
      System.out.println("{\"missing\":\"" + missing.getMessage().replaceAll("[^\\w.$]", "") + "\"}");
      System.out.flush();
      System.exit(1);
    } catch (InvocationTargetException wrapped) {
      throw wrapped.getCause();
    }
  }

  private static void serve(String[] args) throws Exception {
    String token = System.getenv(TOKEN_VARIABLE);
    if (token == null || token.length() < 32) {
      throw new IllegalStateException(TOKEN_VARIABLE + " holds no secret");
    }
    Class<?> service = Class.forName(SERVICE);
    Class.forName(METER);
    ExpansionHost host = new ExpansionHost(token, grpcOf(service));

    Class<?> registryType = host.type("util.MutableHandlerRegistry");
    Object registry = registryType.getConstructor().newInstance();
    InetAddress loopback = InetAddress.getByAddress(new byte[] {127, 0, 0, 1});
    Class<?> builderType = host.type("netty.NettyServerBuilder");
    Object builder =
        builderType
            .getMethod("forAddress", SocketAddress.class)
            .invoke(null, new InetSocketAddress(loopback, 0));
    builder =
        builderType
            .getMethod("fallbackHandlerRegistry", host.type("HandlerRegistry"))
            .invoke(builder, registry);
    Object server = host.type("ServerBuilder").getMethod("build").invoke(builder);
    Class<?> serverType = host.type("Server");
    serverType.getMethod("start").invoke(server);
    int port = (Integer) serverType.getMethod("getPort").invoke(server);

    Object expansion =
        service
            .getConstructor(Class.forName(OPTIONS), String.class)
            .newInstance(optionsOf(args), "127.0.0.1:" + port);
    Object artifacts =
        Class.forName("org.apache.beam.runners.fnexecution.artifact.ArtifactRetrievalService")
            .getConstructor()
            .newInstance();
    Class.forName(WORKERS);
    Method add = registryType.getMethod("addService", host.type("ServerServiceDefinition"));
    add.invoke(registry, host.forTheBearer(expansion));
    add.invoke(registry, host.forTheBearer(artifacts));
    add.invoke(registry, host.pool(args));

    String version = version();
    System.out.println(
        "{\"ready\":true,\"address\":\"127.0.0.1:" + port + "\",\"beam\":\"" + version + "\"}");
    System.out.flush();
    serverType.getMethod("awaitTermination").invoke(server);
  }

  /** Options as Beam's own main makes them. */
  private static Object optionsOf(String[] args) throws Exception {
    Class<?> factory = Class.forName(OPTIONS + "Factory");
    factory
        .getMethod("register", Class.class)
        .invoke(null, Class.forName(SERVICE + "Options"));
    Object fromArgs = factory.getMethod("fromArgs", String[].class).invoke(null, (Object) args);
    return fromArgs.getClass().getMethod("create").invoke(fromArgs);
  }

  /** A service whose calls are refused that do not carry the secret, before their messages are read. */
  private Object forTheBearer(Object service) throws Exception {
    Class<?> interceptor = type("ServerInterceptor");
    Class<?> metadata = type("Metadata");
    Object marshaller = metadata.getField("ASCII_STRING_MARSHALLER").get(null);
    Class<?> keyType = type("Metadata$Key");
    Object key =
        keyType
            .getMethod("of", String.class, type("Metadata$AsciiMarshaller"))
            .invoke(null, "authorization", marshaller);
    Method get = metadata.getMethod("get", keyType);
    Method startCall =
        type("ServerCallHandler").getMethod("startCall", type("ServerCall"), metadata);
    InvocationHandler guard =
        (self, method, given) -> {
          if (!method.getName().equals("interceptCall")) return ofObject(self, method, given);
          String shown = (String) get.invoke(given[1], key);
          if (shown == null || !MessageDigest.isEqual(utf8(shown), bearer)) {
            throw refusal("UNAUTHENTICATED");
          }
          try {
            return startCall.invoke(given[2], given[0], given[1]);
          } catch (InvocationTargetException wrapped) {
            throw wrapped.getCause();
          }
        };
    Object array = java.lang.reflect.Array.newInstance(interceptor, 1);
    java.lang.reflect.Array.set(array, 0, proxy(interceptor, guard));
    return type("ServerInterceptors")
        .getMethod("intercept", type("BindableService"), array.getClass())
        .invoke(null, service, array);
  }

  /** Java's harnesses for whoever shows the secret in the request: runners cannot show it elsewhere. */
  private Object pool(String[] args) throws Exception {
    Class<?> pool = Class.forName(POOL);
    Class<?> definition = type("ServerServiceDefinition");
    Object builder =
        definition
            .getMethod("builder", type("ServiceDescriptor"))
            .invoke(null, pool.getMethod("getServiceDescriptor").invoke(null));
    addPoolMethod(builder, pool.getMethod("getStartWorkerMethod"), args, "startWorker");
    addPoolMethod(builder, pool.getMethod("getStopWorkerMethod"), args, "stopWorker");
    return builder.getClass().getMethod("build").invoke(builder);
  }

  private void addPoolMethod(Object builder, Method descriptor, String[] args, String name)
      throws Exception {
    Class<?> workers = Class.forName(WORKERS);
    Method call = null;
    for (Method each : workers.getMethods()) {
      if (each.getName().equals(name) && each.getParameterCount() == 2) call = each;
    }
    if (call == null) throw new NoSuchMethodException(name);
    Method serve = call;
    Method onError = type("stub.StreamObserver").getMethod("onError", Throwable.class);
    Class<?> unary = type("stub.ServerCalls$UnaryMethod");
    InvocationHandler checked =
        (self, method, given) -> {
          if (!method.getName().equals("invoke")) return ofObject(self, method, given);
          if (name.equals("startWorker") && !showsToken(given[0])) {
            onError.invoke(given[1], refusal("PERMISSION_DENIED"));
            return null;
          }
          // Of each its own: a harness that ends shuts down what its options hold.
          Object own =
              workers.getConstructor(Class.forName(OPTIONS)).newInstance(optionsOf(args));
          try {
            return serve.invoke(own, given[0], given[1]);
          } catch (InvocationTargetException wrapped) {
            throw wrapped.getCause();
          }
        };
    Object handler =
        type("stub.ServerCalls")
            .getMethod("asyncUnaryCall", unary)
            .invoke(null, proxy(unary, checked));
    builder
        .getClass()
        .getMethod("addMethod", type("MethodDescriptor"), type("ServerCallHandler"))
        .invoke(builder, descriptor.invoke(null), handler);
  }

  private boolean showsToken(Object request) throws Exception {
    Map<?, ?> params = (Map<?, ?>) request.getClass().getMethod("getParamsMap").invoke(request);
    Object shown = params.get("token");
    return shown != null && MessageDigest.isEqual(utf8(shown.toString()), utf8(token));
  }

  private RuntimeException refusal(String status) throws Exception {
    Class<?> type = type("Status");
    Object described =
        type.getMethod("withDescription", String.class)
            .invoke(type.getField(status).get(null), "the token of this service is not shown");
    return (RuntimeException) type.getMethod("asRuntimeException").invoke(described);
  }

  private Class<?> type(String name) throws ClassNotFoundException {
    return Class.forName(grpc + '.' + name);
  }

  /** The package of gRPC that a service is written with. */
  private static String grpcOf(Class<?> service) {
    for (Class<?> type = service; type != null; type = type.getSuperclass()) {
      for (Class<?> each : type.getInterfaces()) {
        String name = each.getName();
        if (name.endsWith(".BindableService")) return name.substring(0, name.lastIndexOf('.'));
      }
    }
    throw new IllegalStateException(service.getName() + " is no service of gRPC");
  }

  private static String version() throws Exception {
    Class<?> info = Class.forName("org.apache.beam.sdk.util.ReleaseInfo");
    Object own = info.getMethod("getReleaseInfo").invoke(null);
    return String.valueOf(info.getMethod("getVersion").invoke(own)).replaceAll("[^\\w.-]", "");
  }

  private static Object proxy(Class<?> type, InvocationHandler handler) {
    return Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type}, handler);
  }

  private static Object ofObject(Object self, Method method, Object[] given) {
    switch (method.getName()) {
      case "hashCode":
        return System.identityHashCode(self);
      case "equals":
        return self == given[0];
      default:
        return "beambridge";
    }
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
