// SPDX-License-Identifier: Apache-2.0
package beambridge;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.security.ProtectionDomain;

/**
 * Has the gRPC servers of a program listen on the loopback address: Beam's job servers listen on all
 * addresses, ask for no secret, and start processes for whoever submits a job. Where their builder makes an
 * address of a port alone, it makes one of ours.
 *
 * <p>After a change, in java-env: {@code javac --release 11 -g:none -d /tmp/agent beambridge/Loopback*.java &&
 * jar --create --file loopback.jar --manifest loopback.mf --no-compress --date=2026-01-01T00:00:00Z -C
 * /tmp/agent beambridge}
 */
public final class LoopbackAgent implements ClassFileTransformer {
  private static final String BUILDER = "/netty/NettyServerBuilder";
  private static final String ANY = "java/net/InetSocketAddress";
  private static final String OURS = "beambridge/LoopbackAddress";

  public static void premain(String args, Instrumentation instrumentation) {
    instrumentation.addTransformer(new LoopbackAgent());
  }

  @Override
  public byte[] transform(
      ClassLoader loader, String name, Class<?> known, ProtectionDomain domain, byte[] bytes) {
    if (name == null || !name.endsWith(BUILDER)) return null;
    try {
      return changed(bytes);
    } catch (Throwable error) {
      // Java would go on with the class as it was, and listen to everybody.
      System.err.println("beambridge: " + name + " cannot be kept to the loopback address: " + error);
      Runtime.getRuntime().halt(70);
      return null;
    }
  }

  /** The class with another name for the class of addresses in its table of constants, where all uses of it look. */
  private static byte[] changed(byte[] bytes) throws IOException {
    DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
    ByteArrayOutputStream made = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(made);
    out.write(in.readNBytes(8));
    int count = in.readUnsignedShort();
    out.writeShort(count);
    boolean found = false;
    for (int i = 1; i < count; i++) {
      int tag = in.readUnsignedByte();
      out.writeByte(tag);
      if (tag == 1) {
        String text = in.readUTF();
        found |= text.equals(ANY);
        out.writeUTF(text.equals(ANY) ? OURS : text);
        continue;
      }
      out.write(in.readNBytes(sizeOf(tag)));
      // A long or a double has two places.
      if (tag == 5 || tag == 6) i++;
    }
    if (!found) throw new IOException("it makes no address of a port");
    out.write(in.readAllBytes());
    return made.toByteArray();
  }

  private static int sizeOf(int tag) throws IOException {
    switch (tag) {
      case 3: case 4: case 9: case 10: case 11: case 12: case 17: case 18:
        return 4;
      case 5: case 6:
        return 8;
      case 7: case 8: case 16: case 19: case 20:
        return 2;
      case 15:
        return 3;
      default:
        throw new IOException("a constant of kind " + tag);
    }
  }
}
